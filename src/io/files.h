#pragma once
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace cola {

/// Whole file as text. Throws Error naming the file if it is missing, unreadable or larger than `limit`
/// bytes.
[[nodiscard]] std::string read_text_file(const std::filesystem::path& file,
                                         std::size_t limit = std::size_t{1} << 30);

/// Writes beside (`file` + ".tmp-PID"), fsyncs, renames. Throws Error and removes the temporary file on
/// failure.
void write_text_file(const std::filesystem::path& file, std::string_view text);

/// Creates a folder as one step: `fill` writes into a temporary folder beside `folder`, which is then fsynced
/// and renamed to it; an existing `folder` is replaced only after the new one is complete (renamed away
/// first, restored if the second rename fails). On an exception nothing of the new folder is left and the old
/// one is untouched. Parents are created. If the process is killed, remove_leftovers(parent) leaves the old
/// or the new folder, complete.
void write_folder(const std::filesystem::path& folder,
                  const std::function<void(const std::filesystem::path&)>& fill);

/// Removes what interrupted write_text_file/write_folder calls left in `folder` (not recursive), and finishes
/// a replacement that was interrupted between its two renames. No other process may be writing into `folder`.
void remove_leftovers(const std::filesystem::path& folder);

/// Throws Error unless a file can be created in `folder` (which is created if missing, with its parents).
void require_writable_folder(const std::filesystem::path& folder);

/// Copies one file, fsynced. Throws Error naming both.
void copy_file_durably(const std::filesystem::path& from, const std::filesystem::path& to);

}  // namespace cola
