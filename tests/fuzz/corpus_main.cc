// Runs a fuzz target over the inputs named, files or folders, and over the beginnings of each.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "fuzz/fuzz.h"

namespace {

void run(std::string_view bytes) {
  // A block of exactly this size: reading past it is seen by the sanitizer.
  auto copy = std::make_unique<uint8_t[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), copy.get());
  LLVMFuzzerTestOneInput(copy.get(), bytes.size());
}

}  // namespace

int main(int count, char** arguments) {
  constexpr size_t kBeginnings = 64;
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < count; ++i) {
    if (std::filesystem::is_directory(arguments[i])) {
      for (const auto& entry : std::filesystem::directory_iterator(arguments[i])) files.push_back(entry.path());
    } else {
      files.emplace_back(arguments[i]);
    }
  }
  std::sort(files.begin(), files.end());
  size_t runs = 0;
  for (const auto& file : files) {
    std::ifstream in(file, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    if (!in) {
      std::fprintf(stderr, "%s cannot be read\n", file.c_str());
      return 1;
    }
    std::string bytes = text.str();
    // Named before it runs: the last name printed is the one that crashed.
    std::printf("%s\n", file.filename().c_str());
    std::fflush(stdout);
    run(bytes);
    size_t step = bytes.size() / kBeginnings + 1;
    for (size_t n = 0; n < bytes.size(); n += step, ++runs) run(std::string_view(bytes).substr(0, n));
    ++runs;
  }
  std::printf("%zu inputs, %zu runs\n", files.size(), runs);
  return files.empty() ? 1 : 0;
}
