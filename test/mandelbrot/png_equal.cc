// Copyright (c) 2026 The creel authors
// SPDX-License-Identifier: MIT

// png_equal LEFT RIGHT: compares the pixels of two 8-bit gray PNG files. Status 0: equal; 1: not, the first difference
// is printed; 2: a file cannot be read.

#include <png.h>

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

struct Picture {
  unsigned width;
  unsigned height;
  std::vector<unsigned char> bytes;
};

Picture read(const char* path) {
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  if (png_image_begin_read_from_file(&header, path) == 0 || header.format != PNG_FORMAT_GRAY) {
    std::fprintf(stderr, "%s: %s\n", path, header.message[0] != 0 ? header.message : "not 8-bit gray");
    std::exit(2);
  }
  Picture picture{header.width, header.height, std::vector<unsigned char>(PNG_IMAGE_SIZE(header))};
  if (png_image_finish_read(&header, nullptr, picture.bytes.data(), 0, nullptr) == 0) {
    std::fprintf(stderr, "%s: %s\n", path, header.message);
    std::exit(2);
  }
  return picture;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: png_equal LEFT RIGHT\n");
    return 2;
  }
  const Picture left = read(argv[1]);
  const Picture right = read(argv[2]);
  if (left.width != right.width || left.height != right.height) {
    std::printf("%s is %u x %u, %s is %u x %u\n", argv[1], left.width, left.height, argv[2], right.width, right.height);
    return 1;
  }
  for (std::size_t i = 0; i < left.bytes.size(); ++i) {
    if (left.bytes[i] == right.bytes[i]) continue;
    std::printf("column %zu row %zu: %s has %d, %s has %d\n", i % left.width, i / left.width, argv[1], left.bytes[i],
                argv[2], right.bytes[i]);
    return 1;
  }
  return 0;
}
