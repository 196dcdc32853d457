// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Fixture of the tests of net/: that of runtime/, and a look at the descriptors.
//
// Nothing here proves blocking by sleeping: see test/support/parked.h.

#pragma once

#include <gtest/gtest.h>

#include <string>
#include <system_error>
#include <utility>

#include "creel/net/descriptor_pool.h"
#include "creel/net/error.h"
#include "creel/net/sys.h"
#include "test/runtime/fixture.h"
#include "test/support/go_trace.h"
#include "test/support/parked.h"

namespace creel::test {

class NetTest : public RuntimeTest {
 protected:
  // Every test gives back all descriptors it opened.
  NetTest() : used_before_(net::detail::DescriptorPool::instance().in_use()) {}
  ~NetTest() override {
    net::sys::set_fault_hook(nullptr);
    EXPECT_EQ(net::detail::DescriptorPool::instance().in_use(), used_before_);
  }

 private:
  std::uint32_t used_before_;
};

}  // namespace creel::test
