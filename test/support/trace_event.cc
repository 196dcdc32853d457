// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "test/support/trace_event.h"

#include <array>
#include <charconv>
#include <stdexcept>
#include <utility>

#include "test/support/go_trace.h"

namespace creel::test {

namespace {

constexpr std::array<std::string_view, 14> kKindNames = {
    "Sync",      "Metric",  "Label",       "StackSample", "RangeBegin", "RangeActive",     "RangeEnd",
    "TaskBegin", "TaskEnd", "RegionBegin", "RegionEnd",   "Log",        "StateTransition", "Experimental"};

constexpr std::array<std::string_view, 8> kStateNames = {"None",    "Undetermined", "NotExist", "Runnable",
                                                         "Running", "Waiting",      "Syscall",  "Idle"};

// Reads one head line from left to right; each step throws when the text is not what it expects.
class Cursor {
 public:
  explicit Cursor(std::string_view line) : line_(line), rest_(line) {}

  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] bool skip(std::string_view prefix) {
    if (!rest_.starts_with(prefix)) return false;
    rest_.remove_prefix(prefix.size());
    return true;
  }
  void expect(std::string_view prefix) {
    if (!skip(prefix)) fail();
  }
  std::int64_t number() {
    const bool is_unsigned_max = skip("18446744073709551615");  // NoTask and the like
    if (is_unsigned_max) return -1;
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc{}) fail();
    rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
    return value;
  }
  std::string_view word() {
    std::size_t length = 0;
    while (length < rest_.size() && (std::isalnum(static_cast<unsigned char>(rest_[length])) != 0)) ++length;
    if (length == 0) fail();
    const std::string_view word = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return word;
  }
  std::string quoted() {
    std::size_t used = 0;
    std::optional<std::string> text = unquote(rest_, used);
    if (!text) fail();
    rest_.remove_prefix(used);
    return std::move(*text);
  }
  std::string_view take_rest() { return std::exchange(rest_, {}); }

  template <typename Enum, std::size_t kSize>
  Enum named(const std::array<std::string_view, kSize>& names) {
    const std::string_view name = word();
    for (std::size_t i = 0; i < kSize; ++i) {
      if (names[i] == name) return static_cast<Enum>(i);
    }
    fail();
  }
  [[noreturn]] void fail() const {
    throw std::runtime_error("line of `trace -d=parsed` not understood at \"" + std::string(rest_) +
                             "\": " + std::string(line_));
  }

 private:
  std::string_view line_;
  std::string_view rest_;
};

void resource(Cursor& in, Event& event) {  // Goroutine(7)
  const std::string_view kind = in.word();
  if (kind == "Goroutine")
    event.resource = ResourceKind::kGoroutine;
  else if (kind == "Proc")
    event.resource = ResourceKind::kProc;
  else if (kind == "Thread")
    event.resource = ResourceKind::kThread;
  else if (kind == "None")
    return;
  else
    in.fail();
  in.expect("(");
  event.id = in.number();
  in.expect(")");
}

void append_utf8(std::string& out, std::uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | code >> 6);
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | code >> 12);
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | code >> 18);
    out += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    out += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

}  // namespace

std::string_view to_string(EventKind kind) noexcept { return kKindNames[static_cast<std::size_t>(kind)]; }

std::string_view to_string(State state) noexcept { return kStateNames[static_cast<std::size_t>(state)]; }

std::optional<std::string> unquote(std::string_view text, std::size_t& used) {
  if (!text.starts_with('"')) return std::nullopt;
  std::string out;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      used = i + 1;
      return out;
    }
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    if (++i == text.size()) return std::nullopt;
    constexpr std::string_view kLetters = "abfnrtv\\\"";
    constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\\"";
    if (const std::size_t at = kLetters.find(text[i]); at != std::string_view::npos) {
      out += kMeanings[at];
      continue;
    }
    const std::size_t digits = text[i] == 'x' ? 2 : text[i] == 'u' ? 4 : text[i] == 'U' ? 8 : 0;
    if (digits == 0 || i + digits >= text.size()) return std::nullopt;
    std::uint32_t code = 0;
    const char* begin = text.data() + i + 1;
    const auto [end, error] = std::from_chars(begin, begin + digits, code, 16);
    if (error != std::errc{} || end != begin + digits) return std::nullopt;
    if (digits == 2)
      out += static_cast<char>(code);  // a byte that is no valid UTF-8
    else
      append_utf8(out, code);
    i += digits;
  }
  return std::nullopt;
}

void EventParser::line(std::string_view text) {
  if (text.starts_with("M=")) {
    if (part_ != Part::kNothing) on_event_(event_);
    head(text);
    part_ = Part::kHead;
  } else if (text == "TransitionStack=" && part_ != Part::kNothing) {
    part_ = Part::kTransitionStack;
    frame_open_ = false;
  } else if (text == "Stack=" && part_ != Part::kNothing) {
    part_ = Part::kStack;
    frame_open_ = false;
  } else if (!text.empty()) {
    stack_line(text);
  }
}

void EventParser::finish() {
  if (part_ != Part::kNothing) on_event_(event_);
  part_ = Part::kNothing;
}

void EventParser::head(std::string_view text) {
  event_ = Event{};
  Cursor in(text);
  in.expect("M=");
  event_.m = in.number();
  in.expect(" P=");
  event_.p = in.number();
  in.expect(" G=");
  event_.g = in.number();
  in.expect(" ");
  event_.kind = in.named<EventKind>(kKindNames);
  in.expect(" Time=");
  event_.time = in.number();
  switch (event_.kind) {
    case EventKind::kSync:
    case EventKind::kExperimental:
      in.take_rest();
      break;
    case EventKind::kStackSample:
      break;
    case EventKind::kMetric:
      in.expect(" Name=");
      event_.name = in.quoted();
      in.expect(" Value=");
      event_.message = in.take_rest();
      break;
    case EventKind::kLabel:
      in.expect(" Label=");
      event_.name = in.quoted();
      in.expect(" Resource=");
      resource(in, event_);
      break;
    case EventKind::kRangeBegin:
    case EventKind::kRangeActive:
    case EventKind::kRangeEnd:
      in.expect(" Name=");
      event_.name = in.quoted();
      in.expect(" Scope=");
      event_.message = in.take_rest();
      break;
    case EventKind::kTaskBegin:
    case EventKind::kTaskEnd:
      in.expect(" ID=");
      event_.task = in.number();
      in.expect(" Parent=");
      event_.parent = in.number();
      in.expect(" Type=");
      event_.name = in.quoted();
      break;
    case EventKind::kRegionBegin:
    case EventKind::kRegionEnd:
      in.expect(" Task=");
      event_.task = in.number();
      in.expect(" Type=");
      event_.name = in.quoted();
      break;
    case EventKind::kLog:
      in.expect(" Task=");
      event_.task = in.number();
      in.expect(" Category=");
      event_.name = in.quoted();
      in.expect(" Message=");
      event_.message = in.quoted();
      break;
    case EventKind::kStateTransition:
      if (in.skip(" GoID="))
        event_.resource = ResourceKind::kGoroutine;
      else if (in.skip(" ProcID="))
        event_.resource = ResourceKind::kProc;
      if (event_.resource != ResourceKind::kNone) {
        event_.id = in.number();
        in.expect(" ");
        event_.from = in.named<State>(kStateNames);
        in.expect("->");
        event_.to = in.named<State>(kStateNames);
      }
      in.expect(" Reason=");
      event_.reason = in.quoted();
      break;
  }
  if (!in.at_end()) in.fail();
}

// "\tfunction @ 0xpc", then "\t\tfile:line". A function's name may itself hold anything but a newline.
void EventParser::stack_line(std::string_view text) {
  const auto fail = [&] { throw std::runtime_error("line of `trace -d=parsed` not understood: " + std::string(text)); };
  if (part_ != Part::kStack && part_ != Part::kTransitionStack) fail();
  std::vector<Frame>& frames = part_ == Part::kStack ? event_.stack : event_.transition_stack;
  if (!frame_open_) {
    const std::size_t at = text.rfind(" @ 0x");
    if (!text.starts_with('\t') || at == std::string_view::npos) fail();
    frames.emplace_back().function = text.substr(1, at - 1);
    frame_open_ = true;
    return;
  }
  const std::size_t colon = text.rfind(':');
  if (!text.starts_with("\t\t") || colon == std::string_view::npos) fail();
  Frame& frame = frames.back();
  frame.file = text.substr(2, colon - 2);
  const auto [end, error] = std::from_chars(text.data() + colon + 1, text.data() + text.size(), frame.line);
  if (error != std::errc{} || end != text.data() + text.size()) fail();
  frame_open_ = false;
}

ReadResult read_trace(const std::string& path, const std::function<void(const Event&)>& on_event) {
  ReadResult result;
  EventParser parser([&](const Event& event) {
    ++result.events;
    on_event(event);
  });
  const CommandResult command = run_command({find_go_trace().value(), "-d=parsed", path}, {}, {},
                                            [&](std::string_view line) { parser.line(line); });
  parser.finish();
  result.exit_status = command.exit_status;
  result.error = command.stderr_text;
  return result;
}

std::vector<Event> load_trace(const std::string& path) {
  std::vector<Event> events;
  const ReadResult result = read_trace(path, [&](const Event& event) { events.push_back(event); });
  if (!result.accepted()) throw std::runtime_error(path + ": " + result.error);
  return events;
}

}  // namespace creel::test
