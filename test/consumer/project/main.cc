// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The smallest user of an installed creel: a fiber sends, the first fiber adds up.

#include <cstdio>

#include <creel/creel.h>
#include <creel/sync/channel.h>

int main() {
  return creel::run(creel::Options{}, [] {
    creel::Channel<int> numbers(16);
    creel::WaitGroup wg;
    wg.go([&numbers] {
      for (int number = 0; number < 1000; ++number) numbers.send(number);
      numbers.close();
    });
    int sum = 0;
    for (int number : numbers) sum += number;
    wg.wait();
    std::printf("sum %d\n", sum);
  });
}
