#include "io/file_lock.h"

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include "core/error.h"
#include "io/files.h"
#include "support/files.h"

namespace cola {
namespace {

// flock(2) belongs to the open file, so two locks of one process exclude each other as those of two do.
TEST(FileLock, RefusesASecondAndLeavesNothing) {
  const test::TemporaryFolder folder;
  const auto file = folder / "running" / "x.lock";
  std::optional<FileLock> lock(std::in_place, file, "taken", 0);
  try {
    const FileLock second(file, "taken", 0);
    ADD_FAILURE() << "both have it";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "taken");
  }
  EXPECT_TRUE(std::filesystem::exists(file));
  lock.reset();
  EXPECT_FALSE(std::filesystem::exists(folder / "running"));
  EXPECT_NO_THROW(FileLock(file, "taken", 0));
}

TEST(FileLock, KeepsAFolderThatHasMore) {
  const test::TemporaryFolder folder;
  write_text_file(folder / "notes", "mine");
  {
    const FileLock lock(folder / "x.lock", "taken", 0);
  }
  EXPECT_EQ(read_text_file(folder / "notes"), "mine");
  EXPECT_FALSE(std::filesystem::exists(folder / "x.lock"));
}

TEST(FileLock, SaysWhatCannotBeCreated) {
  const test::TemporaryFolder folder;
  write_text_file(folder / "file", "");
  try {
    const FileLock lock(folder / "file" / "x.lock", "taken", 0);
    ADD_FAILURE() << "a lock in a file";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find((folder / "file").string()), std::string::npos) << error.what();
  }
}

// Each holder removes file and folder: a waiter must not be content with the lock of a removed file.
TEST(FileLock, HasOneHolderAtATime) {
  const test::TemporaryFolder folder;
  std::atomic<int> holders{0}, most{0}, turns{0};
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (turns < 400) {
        try {
          const FileLock lock(folder / "running" / "x.lock", "taken", 0);
          const int now = ++holders;
          if (now > most) most = now;
          ++turns;
          std::this_thread::yield();
          --holders;
        } catch (const Error& error) {
          EXPECT_STREQ(error.what(), "taken");
        }
      }
    });
  }
  threads.clear();  // joins
  EXPECT_EQ(most, 1);
}

}  // namespace
}  // namespace cola
