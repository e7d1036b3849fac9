#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>

namespace cola::test {

/// tests/files of the repository.
inline std::filesystem::path test_files() {
  const char* folder = std::getenv("COLA_TEST_FILES");
  return folder != nullptr ? folder : "tests/files";
}

/// The folder of real models, data and tokenizers, where the machine has one.
inline std::optional<std::filesystem::path> test_data() {
  const char* folder = std::getenv("COLA_TEST_DATA");
  if (folder == nullptr || !std::filesystem::is_directory(folder)) return std::nullopt;
  return folder;
}

/// A folder of one test, empty at the start and removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    std::string name = std::string("cola-") + info->test_suite_name() + "-" + info->name();
    for (char& letter : name) letter = letter == '/' ? '-' : letter;
    name = (std::filesystem::path(testing::TempDir()) / (name + "-XXXXXX")).string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot create " + name);
    path_ = name;
    std::filesystem::permissions(path_, std::filesystem::perms{0755});  // see unprivileged.h
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  [[nodiscard]] std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace cola::test
