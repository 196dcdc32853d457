// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Waiting for a connection on a listening socket, for TcpListener and UnixListener.

#pragma once

#include <sys/socket.h>

#include <system_error>

#include "creel/net/descriptor.h"
#include "creel/sync/context.h"

namespace creel::net::detail {

// The next connection, registered; null and `error` set. `listener` may be null (a closed socket).
//
// A connection that was aborted before it was accepted is passed over. When the process, the system or memory has no
// room for another file (EMFILE, ENFILE, ENOBUFS, ENOMEM) it logs that once, waits 5 ms, doubling up to 1 s, and tries
// again until it succeeds, the deadline passes, `context` (null: none) ends or the listener is closed: an accept loop
// neither spins nor ends.
// Caller: a fiber. Blocking: parks.
[[nodiscard]] Descriptor* accept_connection(Descriptor* listener, const Context* context, const char* what,
                                            std::error_code& error);

}  // namespace creel::net::detail
