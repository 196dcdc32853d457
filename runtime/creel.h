// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// creel: fibers on processors, as in Go, with Go's execution tracer. Everything for users.

#pragma once

#include "creel/net/address.h"         // net::Address
#include "creel/net/error.h"           // net::Errc
#include "creel/net/resolve.h"         // net::resolve
#include "creel/net/tcp_listener.h"    // net::TcpListener
#include "creel/net/tcp_stream.h"      // net::TcpStream
#include "creel/net/udp_socket.h"      // net::UdpSocket
#include "creel/net/unix_socket.h"     // net::UnixListener, UnixStream, UnixDatagram
#include "creel/os/file.h"              // File, Pipe, standard_input
#include "creel/os/process.h"           // Command, Child, output
#include "creel/os/signal.h"            // signal_notify, notify_context
#include "creel/os/whole_file.h"        // read_file, write_file
#include "creel/runtime/dump.h"        // dump
#include "creel/runtime/go.h"          // go, spawn, JoinHandle, FiberOptions
#include "creel/runtime/options.h"     // Options
#include "creel/runtime/run.h"         // run
#include "creel/runtime/stats.h"       // stats
#include "creel/runtime/this_fiber.h"  // yield, sleep, checkpoint, procs, set_procs, this_fiber
#include "creel/sched/blocking.h"      // blocking
#include "creel/sched/clock.h"         // Clock
#include "creel/sched/fiber_local.h"   // FiberLocal
#include "creel/sched/outside.h"       // ThreadScope
#include "creel/sched/pin.h"           // PinScope
#include "creel/sync/barrier.h"        // Barrier
#include "creel/sync/channel.h"        // Channel, ChannelClosed
#include "creel/sync/cond_var.h"       // CondVar
#include "creel/sync/context.h"        // Context, CancelSource, after_func, on_done, sleep_for(context, ...)
#include "creel/sync/group.h"          // Group
#include "creel/sync/mutex.h"          // Mutex
#include "creel/sync/once.h"           // Once
#include "creel/sync/rate_limiter.h"   // RateLimiter
#include "creel/sync/rw_mutex.h"       // RWMutex
#include "creel/sync/scope.h"          // Scope
#include "creel/sync/select.h"         // select, on_recv, on_send, after, otherwise
#include "creel/sync/semaphore.h"      // Semaphore
#include "creel/sync/timer.h"          // Timer, Ticker
#include "creel/sync/wait_group.h"     // WaitGroup
#include "creel/tracer/trace.h"        // trace::start, Task, Region, log, label
