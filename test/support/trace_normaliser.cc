// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "test/support/trace_normaliser.h"

#include <algorithm>
#include <utility>

namespace creel::test {

namespace {

constexpr std::string_view kStop = "Running->Runnable \"preempted\"";
constexpr std::string_view kStart = "Runnable->Running";

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '\n')
      out += "\\n";
    else if (c == '"' || c == '\\')
      (out += '\\') += c;
    else
      out += c;
  }
  return out += '"';
}

}  // namespace

Normaliser::Goroutine* Normaliser::find(std::int64_t id) {
  const auto found = goroutines_.find(id);
  return found == goroutines_.end() ? nullptr : &found->second;
}

void Normaliser::add(Goroutine& goroutine, std::string line) {
  if (options_.collapse_preemptions && goroutine.lines.size() >= 3) {
    // ... stop, start, stop, start: keep the first pair.
    const std::vector<std::string>& lines = goroutine.lines;
    const std::size_t n = lines.size();
    if (line == kStart && lines[n - 1] == kStop && lines[n - 2] == kStart && lines[n - 3] == kStop) {
      goroutine.lines.pop_back();
      return;
    }
  }
  goroutine.lines.push_back(std::move(line));
}

std::string Normaliser::task(std::int64_t id) {
  if (id <= 0) return "background";
  const int number = tasks_.try_emplace(id, static_cast<int>(tasks_.size()) + 1).first->second;
  return "task" + std::to_string(number);
}

void Normaliser::begin(const Event& event) {
  open_ = true;
  main_ = event.g;
  goroutines_.clear();
  tasks_.clear();
  schedule_.clear();
  goroutines_[main_].name = "main";
  windows_.emplace_back().name = event.message;
}

void Normaliser::end() {
  Window& window = windows_.back();
  if (!options_.leave_out_order) window.text = "schedule:" + schedule_ + "\n";
  std::vector<const Goroutine*> ordered;
  for (const auto& [id, goroutine] : goroutines_) ordered.push_back(&goroutine);
  std::ranges::sort(ordered, {}, [](const Goroutine* goroutine) -> const std::string& { return goroutine->name; });
  for (const Goroutine* goroutine : ordered) {
    window.text += goroutine->name + ":\n";
    for (const std::string& line : goroutine->lines) window.text += "  " + line + "\n";
  }
  window.complete = true;
  open_ = false;
}

void Normaliser::event(const Event& event) {
  if (event.kind == EventKind::kLog && event.name == "begin") {
    begin(event);
  } else if (!open_) {
    return;
  } else if (event.kind == EventKind::kLog && event.name == "end" && event.g == main_) {
    end();
  } else if (event.is_goroutine_transition()) {
    transition(event);
  } else {
    annotation(event);
  }
}

void Normaliser::transition(const Event& event) {
  if (event.from == State::kUndetermined || event.from == event.to) return;  // statuses, not transitions
  Goroutine* actor = find(event.g);
  Goroutine* subject = find(event.id);
  if (event.from == State::kNotExist && actor != nullptr) {
    subject = &goroutines_[event.id];
    subject->name = actor->name + "/" + std::to_string(++actor->children);
  }
  if (subject == nullptr) return;
  std::string line = std::string(to_string(event.from)) + "->" + std::string(to_string(event.to));
  if (!event.reason.empty()) line += " " + quote(event.reason);
  // A goroutine ends, blocks, starts by itself; created or woken, it is by another one or by the scheduler.
  if (event.from == State::kNotExist || (event.from == State::kWaiting && !options_.leave_out_order)) {
    line += actor != nullptr ? " by " + actor->name : event.g < 0 ? " by the scheduler" : " by an outsider";
  }
  if (line == kStop) ++windows_.back().preemptions;
  if (event.from == State::kSyscall && event.to == State::kRunnable) ++windows_.back().lost_processors;
  if (options_.leave_out_syscalls && (line == "Running->Syscall" || line == "Syscall->Running")) return;
  if (line == kStart) schedule_ += " " + subject->name;
  add(*subject, std::move(line));
}

void Normaliser::annotation(const Event& event) {
  Goroutine* actor = find(event.g);
  if (actor == nullptr) return;
  switch (event.kind) {
    case EventKind::kTaskBegin: {
      const std::string parent = task(event.parent);  // numbered first
      add(*actor, "task begin " + task(event.task) + " of " + parent + " " + quote(event.name));
      break;
    }
    case EventKind::kTaskEnd:
      add(*actor, "task end " + task(event.task) + " " + quote(event.name));
      break;
    case EventKind::kRegionBegin:
      add(*actor, "region begin " + task(event.task) + " " + quote(event.name));
      break;
    case EventKind::kRegionEnd:
      add(*actor, "region end " + task(event.task) + " " + quote(event.name));
      break;
    case EventKind::kLog:
      add(*actor, "log " + task(event.task) + " " + quote(event.name) + " " + quote(event.message));
      break;
    default:
      break;
  }
}

std::vector<Window> Normaliser::take() {
  open_ = false;
  return std::exchange(windows_, {});
}

std::string diff(std::string_view expected, std::string_view actual) {
  const auto split = [](std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      lines.push_back(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
  };
  const std::vector<std::string_view> a = split(expected);
  const std::vector<std::string_view> b = split(actual);
  // Longest common subsequence; the texts are some dozens of lines.
  std::vector<std::vector<int>> length(a.size() + 1, std::vector<int>(b.size() + 1, 0));
  for (std::size_t i = a.size(); i-- > 0;) {
    for (std::size_t j = b.size(); j-- > 0;) {
      length[i][j] = a[i] == b[j] ? length[i + 1][j + 1] + 1 : std::max(length[i + 1][j], length[i][j + 1]);
    }
  }
  std::string out;
  std::size_t i = 0;
  std::size_t j = 0;
  const auto put = [&](char mark, std::string_view line) { ((out += mark) += line) += '\n'; };
  while (i < a.size() || j < b.size()) {
    if (i < a.size() && j < b.size() && a[i] == b[j]) {
      put(' ', a[i]);
      ++i, ++j;
    } else if (j == b.size() || (i < a.size() && length[i + 1][j] >= length[i][j + 1])) {
      put('-', a[i++]);
    } else {
      put('+', b[j++]);
    }
  }
  return out;
}

}  // namespace creel::test
