#include "io/files.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

#include "io/io_test_support.h"

namespace cola {
namespace {

namespace fs = std::filesystem;
using test::count_of_entries;
using test::error_of;
using test::expect_contains;
using test::get_file;
using test::put_file;
using test::TemporaryFolder;

void put_folder(const fs::path& folder, const std::string& text) {
  fs::create_directory(folder);
  put_file(folder / "part", text);
}

TEST(Files, TextIsWrittenAndRead) {
  const TemporaryFolder folder;
  const std::string text(200'000, 'x');
  write_text_file(folder / "a", text);
  EXPECT_EQ(read_text_file(folder / "a"), text);
  write_text_file(folder / "a", "shorter");
  EXPECT_EQ(read_text_file(folder / "a"), "shorter");
  EXPECT_EQ(count_of_entries(folder.path()), 1U);
}

TEST(Files, ReadErrorsNameTheFile) {
  const TemporaryFolder folder;
  put_file(folder / "five", "12345");
  EXPECT_EQ(read_text_file(folder / "five", 5), "12345");
  expect_contains(error_of([&] { static_cast<void>(read_text_file(folder / "five", 4)); }),
                  "five is larger than 4");
  expect_contains(error_of([&] { static_cast<void>(read_text_file(folder / "none")); }),
                  "none: No such file");
  expect_contains(error_of([&] { static_cast<void>(read_text_file(folder.path())); }), "Is a directory");
}

TEST(Files, FailedWritesLeaveNothing) {
  const TemporaryFolder folder;
  expect_contains(error_of([&] { write_text_file(folder / "none" / "a", "x"); }), "cannot write");
  fs::create_directory(folder / "taken");
  expect_contains(error_of([&] { write_text_file(folder / "taken", "x"); }), "cannot write");
  EXPECT_EQ(count_of_entries(folder.path()), 1U);
  if (fs::exists("/dev/full"))
    expect_contains(error_of([&] { write_text_file("/dev/full", "x"); }), "No space");
}

TEST(Files, FolderIsWrittenAndReplaced) {
  const TemporaryFolder folder;
  const auto target = folder / "parent" / "run";
  const auto fill = [](const std::string& text) {
    return [text](const fs::path& fresh) {
      fs::create_directory(fresh / "sub");
      put_file(fresh / "sub" / "part", text);
    };
  };
  write_folder(target, fill("one"));
  EXPECT_EQ(get_file(target / "sub" / "part"), "one");
  put_file(target / "stale", "x");
  write_folder(target.string() + "/", fill("two"));
  EXPECT_EQ(get_file(target / "sub" / "part"), "two");
  EXPECT_FALSE(fs::exists(target / "stale"));
  EXPECT_EQ(count_of_entries(target.parent_path()), 1U);
}

TEST(Files, FailedFolderLeavesTheOldOne) {
  const TemporaryFolder folder;
  put_folder(folder / "run", "old");
  const auto fail = [](const fs::path& fresh) {
    put_file(fresh / "part", "new");
    throw Error("stopped");
  };
  EXPECT_EQ(error_of([&] { write_folder(folder / "run", fail); }), "stopped");
  EXPECT_EQ(get_file(folder / "run" / "part"), "old");
  EXPECT_EQ(count_of_entries(folder.path()), 1U);
  EXPECT_EQ(error_of([&] { write_folder(folder / "other", fail); }), "stopped");
  EXPECT_EQ(count_of_entries(folder.path()), 1U);
  put_file(folder / "file", "x");
  expect_contains(error_of([&] { write_folder(folder / "file", fail); }), "a file of that name exists");
}

TEST(Files, LeftoversOfEveryMomentAreSettled) {
  const TemporaryFolder folder;
  const auto expect_only = [&](const std::string& text) {
    remove_leftovers(folder.path());
    EXPECT_EQ(get_file(folder / "run" / "part"), text);
    EXPECT_EQ(count_of_entries(folder.path()), 1U);
    fs::remove_all(folder / "run");
  };
  // Killed while it was filled.
  put_folder(folder / "run", "old");
  put_folder(folder / "run.tmp-41", "half");
  put_file(folder / "config.toml.tmp-41", "half");
  expect_only("old");
  // Killed between the renames; a later attempt of another process left half a folder.
  put_folder(folder / "run.old-41", "old");
  put_folder(folder / "run.tmp-41", "new");
  put_folder(folder / "run.tmp-42", "half");
  expect_only("new");
  // Killed after the second rename, and while the old one was removed.
  put_folder(folder / "run", "new");
  put_folder(folder / "run.old-41", "old");
  expect_only("new");
  put_folder(folder / "run", "new");
  put_folder(folder / "run.tmp-41", "rest of old");
  expect_only("new");
  // The second rename failed, and so did putting the old one back.
  put_folder(folder / "run.old-41", "old");
  expect_only("old");
}

TEST(Files, OtherNamesAreNoLeftovers) {
  const TemporaryFolder folder;
  for (const char* name : {"a.tmp", "b.tmp-", "c.tmp-4x", "d-41", "tmp-41", "e.new-41", "f.old"}) {
    put_file(folder / name, "x");
  }
  remove_leftovers(folder.path());
  EXPECT_EQ(count_of_entries(folder.path()), 7U);
  expect_contains(error_of([&] { remove_leftovers(folder / "none"); }), "cannot tidy");
}

TEST(Files, WriterSettlesWhatAnEarlierOneLeft) {
  const TemporaryFolder folder;
  put_folder(folder / "run.old-41", "old");
  put_folder(folder / "run.tmp-41", "new");
  put_folder(folder / "other.tmp-41", "of another folder");
  EXPECT_EQ(error_of([&] { write_folder(folder / "run", [](const fs::path&) { throw Error("stopped"); }); }),
            "stopped");
  EXPECT_EQ(get_file(folder / "run" / "part"), "new");
  EXPECT_EQ(count_of_entries(folder.path()), 2U);
}

TEST(Files, KilledWriterLeavesAWholeFolder) {
  const TemporaryFolder folder;
  const auto target = folder / "run";
  constexpr std::size_t parts = 20;
  const auto write_whole = [&](const std::string& text) {
    write_folder(target, [&](const fs::path& fresh) {
      for (std::size_t i = 0; i < parts; ++i) put_file(fresh / std::to_string(i), text);
    });
  };
  write_whole("0");
  for (int round = 0; round < 30; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      for (int i = 1;; ++i) write_whole(std::to_string(i));
    }
    ::usleep(static_cast<useconds_t>(1000 + 700 * round));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    remove_leftovers(folder.path());
    ASSERT_EQ(count_of_entries(folder.path()), 1U);
    ASSERT_EQ(count_of_entries(target), parts);
    const std::string text = get_file(target / "0");
    ASSERT_FALSE(text.empty());
    for (std::size_t i = 0; i < parts; ++i) ASSERT_EQ(get_file(target / std::to_string(i)), text);
  }
}

TEST(Files, WritableFolderIsCreatedAndLeftEmpty) {
  const TemporaryFolder folder;
  require_writable_folder(folder / "a" / "b");
  EXPECT_TRUE(fs::is_directory(folder / "a" / "b"));
  EXPECT_EQ(count_of_entries(folder / "a" / "b"), 0U);
  put_file(folder / "file", "x");
  expect_contains(error_of([&] { require_writable_folder(folder / "file"); }), "cannot write into folder");
  expect_contains(error_of([&] { require_writable_folder(folder / "file" / "b"); }),
                  "cannot write into folder");
  if (::geteuid() == 0) return;  // root may write anywhere
  fs::permissions(folder / "a", fs::perms::owner_read | fs::perms::owner_exec);
  expect_contains(error_of([&] { require_writable_folder(folder / "a"); }), "Permission denied");
  fs::permissions(folder / "a", fs::perms::owner_all);
}

TEST(Files, CopyNamesBothFiles) {
  const TemporaryFolder folder;
  const std::string text(3'000'000, 'y');
  put_file(folder / "from", text);
  copy_file_durably(folder / "from", folder / "to");
  EXPECT_EQ(get_file(folder / "to"), text);
  const std::string error = error_of([&] { copy_file_durably(folder / "none", folder / "other"); });
  expect_contains(error, "none");
  expect_contains(error, "other");
  EXPECT_EQ(count_of_entries(folder.path()), 2U);
}

}  // namespace
}  // namespace cola
