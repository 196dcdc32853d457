// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

#include "creel/sched/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

namespace creel::sched {
namespace {

spdlog::logger& make_logger(spdlog::level::level_enum level) {
  auto* made = new spdlog::logger("creel", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  made->set_level(level);
  return *made;
}

spdlog::logger& logger() {
  // Leaked: workers may log while static objects are destroyed.
  static spdlog::logger& instance = make_logger(spdlog::level::warn);
  return instance;
}

}  // namespace

void log_debug(std::string_view message) { logger().debug("{}", message); }
void log_warning(std::string_view message) { logger().warn("{}", message); }
void log_error(std::string_view message) { logger().error("{}", message); }

void log_always(std::string_view message) {
  static spdlog::logger& instance = make_logger(spdlog::level::info);
  instance.info("{}", message);
}

bool set_log_level(std::string_view name) {
  // spdlog's own short forms.
  if (name == "warn") name = "warning";
  if (name == "err") name = "error";
  for (int level = 0; level < static_cast<int>(spdlog::level::n_levels); ++level) {
    const auto text = spdlog::level::to_string_view(static_cast<spdlog::level::level_enum>(level));
    if (name == std::string_view(text.data(), text.size())) {
      logger().set_level(static_cast<spdlog::level::level_enum>(level));
      return true;
    }
  }
  return false;
}

std::string log_level_names() {
  std::string names;
  for (int level = 0; level < static_cast<int>(spdlog::level::n_levels); ++level) {
    const auto text = spdlog::level::to_string_view(static_cast<spdlog::level::level_enum>(level));
    if (!names.empty()) names += ", ";
    names.append(text.data(), text.size());
  }
  return names;
}

void log_stuck(std::uint32_t proc, std::int64_t milliseconds, std::string_view fiber) {
  logger().warn("the fiber on P{} has run for {} ms without reaching a safe point (a runtime call, creel::checkpoint(), or a "
                "loop compiled by creel_preempt_loops); others on this P wait. A call that blocks belongs in creel::blocking(){}{}",
                proc, milliseconds, fiber.empty() ? "" : "\n", fiber);
}

}  // namespace creel::sched
