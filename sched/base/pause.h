// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The processor's spin-wait hint.

#pragma once

namespace creel::sched {

inline void cpu_pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

inline void pause_for(int pauses) noexcept {
  for (int i = 0; i < pauses; ++i) cpu_pause();
}

}  // namespace creel::sched
