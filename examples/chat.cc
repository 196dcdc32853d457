// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// A chat room: one fiber owns the members, all others talk to it over channels. Usage: chat [USERS] [MESSAGES], default 4
// users with 3 messages each.
//
// In the trace: the room waits in "select", or on "chan send" for a slow reader, but never on "sync", as nothing else
// touches its state; each message wakes every member, which blocks on "chan receive" again.

#include <atomic>
#include <list>
#include <memory>
#include <optional>
#include <string>

#include <fmt/core.h>

#include <creel/creel.h>

#include "examples/arguments.h"

namespace {

// Shared: the room may still be closing it when its reader has seen that it is closed.
using Inbox = std::shared_ptr<creel::Channel<std::string>>;

struct Room {
  creel::Channel<Inbox> join;
  creel::Channel<Inbox> leave;
  creel::Channel<std::string> say;

  // Serves until the last of `users` has left.
  void run(int users) {
    std::list<Inbox> members;
    while (users > 0) {
      creel::select(
          creel::on_recv(join, [&](std::optional<Inbox> inbox) { members.push_back(*inbox); }),
          creel::on_recv(leave, [&](std::optional<Inbox> inbox) { members.remove(*inbox), (*inbox)->close(), --users; }),
          creel::on_recv(say, [&](std::optional<std::string> text) {
            for (const Inbox& member : members) member->send(*text);
          }));
    }
  }
};

// Returns how many messages the user has read, its own included.
int chat(Room& room, const std::string& name, int messages) {
  const Inbox inbox = std::make_shared<creel::Channel<std::string>>();
  room.join.send(inbox);
  creel::JoinHandle<int> reader = creel::spawn({.name = name + " reads"}, [&inbox] {
    int count = 0;
    while (inbox->recv()) ++count;
    return count;
  });
  for (int i = 1; i <= messages; ++i) room.say.send(fmt::format("{}: message {}", name, i));
  room.leave.send(inbox);
  return reader.join();
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments(argc, argv, "chat [USERS] [MESSAGES]", 0, 2);
  const int users = arguments.number(1, "USERS", 4);
  const int messages = arguments.number(2, "MESSAGES", 3, 0);
  return creel::run(creel::Options{}, [=] {
    Room room;
    std::atomic<int> read = 0;
    creel::Scope scope;
    scope.go({.name = "room"}, [&] { room.run(users); });
    for (int user = 1; user <= users; ++user) {
      scope.go([&, user] { read += chat(room, fmt::format("user {}", user), messages); });
    }
    scope.join();
    fmt::print("{} messages said, read {} times\n", users * messages, read.load());
  });
}
