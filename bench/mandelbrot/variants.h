// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// The experiments: five ways to spread the picture over fibers, and one that does not.
//
//   seq                   no fiber but the caller
//   pixel                 one fiber per pixel
//   col                   one fiber per column
//   workers               N fibers fed pixel by pixel through an unbuffered channel
//   workers-buffered      the same, through a channel with room for every pixel
//   col-workers-buffered  N fibers fed column by column, through a channel with room for every column
//
// As in the tutorial the workers are started first; then the caller sends everything, closes the channel and waits.
// Caller: a fiber. Blocking: parks the caller until the picture is complete.

#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "bench/mandelbrot/kernel.h"

namespace mandelbrot {

enum class Variant { kSeq, kPixel, kCol, kWorkers, kWorkersBuffered, kColWorkersBuffered };

// All variants, in the order of the table.
[[nodiscard]] std::span<const Variant> all_variants() noexcept;
[[nodiscard]] std::string_view name(Variant variant) noexcept;
// The variant of that name; nullopt when there is none.
[[nodiscard]] std::optional<Variant> find_variant(std::string_view name) noexcept;

// Computes the whole picture. Returns how many fibers it created.
std::int64_t fill(Variant variant, Image& image, int workers);

}  // namespace mandelbrot
