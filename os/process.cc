// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A child is reaped under a mutex, which kill() takes as well: so that never meets a number that belongs to another
// process by now. Whoever waits on a thread does so without reaping (WNOWAIT).

#include "creel/os/process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "creel/net/cancellable.h"
#include "creel/net/handle.h"
#include "creel/os/on_fiber.h"
#include "creel/os/sys.h"
#include "creel/sched/park.h"
#include "creel/sync/mutex.h"

namespace creel {

using net::detail::Descriptor;
using net::detail::OwnedFile;
using net::detail::retry_ready;
using net::detail::Side;
using net::detail::SideGuard;
using net::detail::to_error_code;

namespace sys = os::sys;

namespace {

constexpr int kFirstFree = 3;  // the number above the standard streams

// posix_spawn's list of what the child does before the program.
class Actions {
 public:
  Actions() { note(::posix_spawn_file_actions_init(&actions_)); }
  ~Actions() { ::posix_spawn_file_actions_destroy(&actions_); }
  Actions(const Actions&) = delete;
  Actions& operator=(const Actions&) = delete;

  void duplicate(int from, int to) { note(::posix_spawn_file_actions_adddup2(&actions_, from, to)); }
  void open_null(int to) { note(::posix_spawn_file_actions_addopen(&actions_, to, "/dev/null", O_RDWR, 0)); }
  void close_others() { note(::posix_spawn_file_actions_addclosefrom_np(&actions_, kFirstFree)); }
  void change_directory(const char* path) { note(::posix_spawn_file_actions_addchdir_np(&actions_, path)); }
  [[nodiscard]] int error() const noexcept { return error_; }
  [[nodiscard]] const posix_spawn_file_actions_t& get() const noexcept { return actions_; }

 private:
  void note(int error) noexcept {
    if (error_ == 0) error_ = error;
  }
  posix_spawn_file_actions_t actions_;
  int error_ = 0;
};

// Null-terminated, as exec wants it. The strings outlive it.
std::vector<char*> pointers_to(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

bool has_nul(std::string_view text) noexcept { return text.find('\0') != std::string_view::npos; }

// The number above the standard streams: what the child is given must not be in the way of what it becomes.
void lift(OwnedFile& file, std::error_code& error) {
  if (file.get() < 0 || file.get() >= kFirstFree) return;
  OwnedFile copy(sys::duplicate(file.get(), kFirstFree));
  error = to_error_code(copy.get() < 0 ? -copy.get() : 0);
  if (!error) file = std::move(copy);
}

// A pipe between the child's standard input (or output) and `ours`.
void open_pipe(bool input, OwnedFile& childs, File& ours, std::error_code& error) {
  int fds[2] = {-1, -1};
  error = to_error_code(-sys::pipe(fds));
  if (error) return;
  OwnedFile reader(fds[0]);
  OwnedFile writer(fds[1]);
  OwnedFile& own = input ? writer : reader;
  childs = std::move(input ? reader : writer);
  lift(childs, error);
  // Only this end: the other has a mode of its own.
  if (!error) error = to_error_code(-sys::set_non_blocking(own.get(), true));
  if (error) return;
  ours = File::adopt(own.get(), error);
  if (!error) own.release();
}

// A copy of an open file, for the child.
void take_copy(const File& file, OwnedFile& childs, std::error_code& error) {
  childs = OwnedFile(sys::duplicate(file.native_handle(), kFirstFree));
  error = to_error_code(childs.get() < 0 ? -childs.get() : -sys::set_non_blocking(childs.get(), false));
}

std::string description(const Command& command) {
  std::string text = "creel::Child::start(";
  if (!command.argv.empty()) text += "\"" + command.argv[0] + "\"";
  if (!command.directory.empty()) text += " in \"" + command.directory.string() + "\"";
  return text + ")";
}

}  // namespace

std::string ExitStatus::to_string() const {
  if (signal == 0) return "exit status " + std::to_string(code);
  const char* const name = sigdescr_np(signal);
  return "signal: " + (name != nullptr ? std::string(name) : std::to_string(signal));
}

// A child that was started.
class Child::Process : public std::enable_shared_from_this<Process> {
 public:
  Process() = default;
  ~Process() {
    if (end_ != nullptr) end_->drop_handle();
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Once. 0 or an errno value.
  int start(const std::vector<std::string>& argv, const std::optional<std::vector<std::string>>& environment,
            const Actions& actions) {
    const std::vector<char*> arguments = pointers_to(argv);
    const std::vector<char*> variables = environment ? pointers_to(*environment) : std::vector<char*>();
    pid_t started = -1;
    const int result = sys::spawn(started, arguments[0], actions.get(), arguments.data(),
                                  environment ? variables.data() : ::environ);
    if (result == 0) pid_ = started;
    return -result;
  }
  // Has the poller tell of the end, if the kernel can.
  void watch() {
    OwnedFile file(sys::pid_fd(pid_));
    std::error_code ignored;  // without it waiting takes a thread
    if (file.get() >= 0) end_ = file.open("creel::Child::start()", ignored);
  }
  [[nodiscard]] pid_t pid() const noexcept { return pid_; }

  ExitStatus wait(const Context* context, std::error_code& error) {
    error.clear();
    {
      std::lock_guard guard(mutex_);
      if (reaped_) return status_;
    }
    error = to_error_code(await_end(context));
    if (error) return {};
    std::lock_guard guard(mutex_);
    return status_;
  }

  void kill(int signal, std::error_code& error) {
    std::lock_guard guard(mutex_);
    error = to_error_code(reaped_ || lost_ || pid_ <= 0 ? ESRCH : -sys::kill(pid_, signal));  // never kill(-1)
  }

  // Whether nothing is left to wait for.
  [[nodiscard]] bool over() {
    std::lock_guard guard(mutex_);
    return reaped_ || lost_ || pid_ <= 0;
  }

 private:
  // Until it has ended and been reaped; `context` kills it. 0 or an errno value.
  int await_end(const Context* context) {
    // From a fiber of its own, which may outlive this call: this one may wait for another that waits, or for a thread.
    std::optional<AfterFunc> killer;
    if (context != nullptr && context->canceller() != nullptr) {
      killer = after_func(*context, [self = shared_from_this()] {
        std::error_code gone;  // it has ended by itself
        self->kill(SIGKILL, gone);
      });
    }
    const int result = end_ != nullptr && os::on_fiber() ? await_end_in_poller() : await_end_on_thread();
    if (killer) killer->stop();
    return result < 0 ? -result : 0;
  }

  int await_end_in_poller() {
    SideGuard guard(*end_, Side::kRead);
    if (guard.error() != 0) return -guard.error();
    return retry_ready(*end_, Side::kRead, [this] { return reap(WNOHANG); });
  }

  int await_end_on_thread() {
    int result = 0;
    if (!over()) {
      siginfo_t info{};
      result = sys::wait_child(pid_, info, WNOWAIT);
    }
    return result >= 0 || over() ? reap(0) : result;  // at once: it has ended
  }

  // 1: it has been reaped, by now. -EAGAIN: it runs (with WNOHANG).
  int reap(int flags) {
    std::lock_guard guard(mutex_);
    if (reaped_) return 1;
    siginfo_t info{};
    const int result = sys::wait_child(pid_, info, flags);
    if (result == 0) return -EAGAIN;
    if (result == -ECHILD) lost_ = true;  // somebody else's wait, or an ignored SIGCHLD: the number may be anybody's
    if (result < 0) return result;
    status_ = info.si_code == CLD_EXITED ? ExitStatus{info.si_status, 0} : ExitStatus{-1, info.si_status};
    reaped_ = true;
    return 1;
  }

  pid_t pid_ = -1;        // constant after start()
  Descriptor* end_ = nullptr;  // a pidfd; null: the kernel has none
  Mutex mutex_;
  bool reaped_ = false;   // guarded by mutex_
  bool lost_ = false;     // guarded by mutex_: not ours to wait for any more
  ExitStatus status_;     // guarded by mutex_
};

Child::Child() noexcept = default;
Child::Child(std::shared_ptr<Process> process) noexcept : process_(std::move(process)) {}
Child::Child(Child&&) noexcept = default;

Child& Child::operator=(Child&& other) noexcept {
  if (this != &other) {
    finish();
    in = std::move(other.in);
    out = std::move(other.out);
    err = std::move(other.err);
    process_ = std::move(other.process_);
  }
  return *this;
}

Child::~Child() { finish(); }

void Child::finish() noexcept {
  if (process_ == nullptr || process_->over()) return;
  std::error_code ignored;  // nobody to tell
  process_->kill(SIGKILL, ignored);
  process_->wait(nullptr, ignored);
  process_ = nullptr;
}

pid_t Child::pid() const noexcept { return process_ == nullptr ? -1 : process_->pid(); }

Child Child::start(const Command& command, std::error_code& error) {
  static_cast<void>(sched::current_fiber("creel::Child::start()"));
  error = std::make_error_code(std::errc::invalid_argument);
  if (command.argv.empty() || command.argv[0].empty()) return {};
  if (std::ranges::any_of(command.argv, has_nul) || has_nul(command.directory.native())) return {};
  if (command.environment && std::ranges::any_of(*command.environment, has_nul)) return {};
  if (command.in.kind == Stdio::Kind::kAsOutput || command.out.kind == Stdio::Kind::kAsOutput) return {};
  error.clear();

  auto process = std::make_shared<Process>();
  Child child(process);
  std::array<OwnedFile, 3> childs{OwnedFile(-1), OwnedFile(-1), OwnedFile(-1)};
  Actions actions;
  if (!command.directory.empty()) actions.change_directory(command.directory.c_str());
  const std::array<const Stdio*, 3> wanted{&command.in, &command.out, &command.err};
  const std::array<File*, 3> ours{&child.in, &child.out, &child.err};
  for (int i = 0; i < 3 && !error; ++i) {
    const auto at = static_cast<std::size_t>(i);
    switch (wanted[at]->kind) {
      case Stdio::Kind::kInherit:
        continue;
      case Stdio::Kind::kNull:
        actions.open_null(i);
        continue;
      case Stdio::Kind::kAsOutput:
        actions.duplicate(STDOUT_FILENO, i);
        continue;
      case Stdio::Kind::kPipe:
        open_pipe(i == STDIN_FILENO, childs[at], *ours[at], error);
        break;
      case Stdio::Kind::kFile:
        take_copy(*wanted[at]->source, childs[at], error);
        break;
    }
    if (!error) actions.duplicate(childs[at].get(), i);
  }
  actions.close_others();
  if (!error) error = to_error_code(actions.error());
  if (!error) error = to_error_code(process->start(command.argv, command.environment, actions));
  if (error) {
    child.process_ = nullptr;
    return {};
  }
  process->watch();
  return child;
}

Child Child::start(const Command& command) {
  std::error_code error;
  Child child = start(command, error);
  if (error) throw std::system_error(error, description(command));
  return child;
}

ExitStatus Child::wait(std::error_code& error) { return wait(Context::background(), error); }

ExitStatus Child::wait(const Context& context, std::error_code& error) {
  if (process_ != nullptr) return process_->wait(&context, error);
  error = std::make_error_code(std::errc::no_child_process);
  return {};
}

ExitStatus Child::wait() { return wait(Context::background()); }

ExitStatus Child::wait(const Context& context) {
  std::error_code error;
  const ExitStatus status = wait(context, error);
  net::detail::throw_if(error, "creel::Child::wait()");
  return status;
}

void Child::kill(int signal, std::error_code& error) {
  if (process_ != nullptr) return process_->kill(signal, error);
  error = std::make_error_code(std::errc::no_such_process);
}

void Child::kill(int signal) {
  std::error_code error;
  kill(signal, error);
  net::detail::throw_if(error, "creel::Child::kill()");
}

}  // namespace creel
