// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// Files as a whole.
//
// One blocking section for all the calls on a regular file: a processor is given away once, and a trace shows one
// syscall. Caller: anyone (on a fiber what is no regular file is left to the poller). Thread safety: all.
// Source: os.ReadFile, os.WriteFile of Go; the atomic form is not in Go.

#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

namespace creel {

// The whole content. Errors: those of open(2), read(2); std::bad_alloc.
[[nodiscard]] std::string read_file(const std::filesystem::path& path, std::error_code& error);
[[nodiscard]] std::string read_file(const std::filesystem::path& path);

// Makes or empties the file, and writes `content`. `mode`: of a new file, before the umask. After an error the file may
// hold a part of it.
void write_file(const std::filesystem::path& path, std::string_view content, mode_t mode, std::error_code& error);
void write_file(const std::filesystem::path& path, std::string_view content, std::error_code& error);
void write_file(const std::filesystem::path& path, std::string_view content, mode_t mode = 0666);

// The same so that whoever opens `path`, also after a crash, finds the old content or the new, never a part: written
// beside it under another name, synced to the disk, renamed. A symbolic link at `path` is replaced, and so are the
// owner and the mode.
void write_file_atomic(const std::filesystem::path& path, std::string_view content, mode_t mode,
                       std::error_code& error);
void write_file_atomic(const std::filesystem::path& path, std::string_view content, std::error_code& error);
void write_file_atomic(const std::filesystem::path& path, std::string_view content, mode_t mode = 0666);

}  // namespace creel
