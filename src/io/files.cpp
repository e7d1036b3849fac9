#include "io/files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <span>
#include <system_error>
#include <vector>

#include "core/error.h"
#include "io/durable_file.h"
#include "io/file_descriptor.h"

namespace cola {
namespace {

namespace fs = std::filesystem;

/// "NAME.tmp-123" or "NAME.old-123", taken apart.
struct Leftover {
  fs::path path;
  fs::path target;  ///< the path without the suffix
  std::string process;
  bool is_replaced = false;  ///< "old": what was there before
};

std::optional<Leftover> parse_leftover(const fs::path& path) {
  const std::string name = path.filename().string();
  const std::size_t dash = name.rfind('-');
  if (dash == std::string::npos || dash + 1 == name.size() || dash < 5) return std::nullopt;
  const std::string process = name.substr(dash + 1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (!std::all_of(process.begin(), process.end(), is_digit)) return std::nullopt;
  const std::string kind = name.substr(dash - 4, 4);
  if (kind != ".tmp" && kind != ".old") return std::nullopt;
  return Leftover{path, path.parent_path() / name.substr(0, dash - 4), process, kind == ".old"};
}

/// In the order of their names, so that what is done does not depend on the file system.
std::vector<Leftover> leftovers_in(const fs::path& folder) {
  std::vector<Leftover> result;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (auto leftover = parse_leftover(entry.path())) result.push_back(std::move(*leftover));
  }
  std::sort(result.begin(), result.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
  return result;
}

bool is_present(const fs::path& path) { return fs::symlink_status(path).type() != fs::file_type::not_found; }

/// A replacement that stopped between its two renames left no target, the old one, and a new one that is
/// complete (write_folder renames the old one only then).
void finish_replacement(const Leftover& old) {
  if (is_present(old.target)) return;
  fs::path complete = old.target;
  complete += ".tmp-" + old.process;
  fs::rename(is_present(complete) ? complete : old.path, old.target);
  sync_to_disk(parent_of(old.target));
}

/// Under a name that is never restored from first: an interrupted removal must not look like a replaced
/// folder.
void discard_replaced(const fs::path& old, const fs::path& target) {
  const fs::path discarded = temporary_path(target);
  fs::rename(old, discarded);
  fs::remove_all(discarded);
}

void settle(const std::vector<Leftover>& leftovers) {
  for (const Leftover& leftover : leftovers) {
    if (leftover.is_replaced) finish_replacement(leftover);
  }
  for (const Leftover& leftover : leftovers) {
    if (!leftover.is_replaced) fs::remove_all(leftover.path);
  }
  for (const Leftover& leftover : leftovers) {
    if (leftover.is_replaced && is_present(leftover.path)) discard_replaced(leftover.path, leftover.target);
  }
}

void sync_tree(const fs::path& folder) {
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_symlink() && (entry.is_regular_file() || entry.is_directory())) sync_to_disk(entry.path());
  }
  sync_to_disk(folder);
}

/// Puts the complete `fresh` in the place of `folder`.
void replace_folder(const fs::path& fresh, const fs::path& folder) {
  const fs::path old = replaced_path(folder);
  const bool replaces = is_present(folder);
  if (replaces) fs::rename(folder, old);
  try {
    fs::rename(fresh, folder);
  } catch (...) {
    if (replaces) fs::rename(old, folder);
    throw;
  }
  sync_to_disk(parent_of(folder));
  if (replaces) discard_replaced(old, folder);
}

/// Without a trailing slash, which would make the file name empty.
fs::path without_trailing_slash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

}  // namespace

std::string read_text_file(const fs::path& file, std::size_t limit) {
  const FileDescriptor descriptor = open_file(file, O_RDONLY);
  std::string text;
  std::array<char, std::size_t{1} << 16> buffer{};
  while (true) {
    const ssize_t count = ::read(descriptor.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw Error(fmt::format("cannot read {}: {}", file.string(), std::strerror(errno)));
    if (count == 0) return text;
    if (static_cast<std::size_t>(count) > limit - text.size()) {
      throw Error(fmt::format("{} is larger than {} bytes, the most that is read", file.string(), limit));
    }
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

void write_text_file(const fs::path& file, std::string_view text) {
  DurableFile output(file);
  output.write(std::as_bytes(std::span(text)));
  output.commit();
}

void write_folder(const fs::path& folder, const std::function<void(const fs::path&)>& fill) {
  const fs::path target = without_trailing_slash(folder);
  const fs::path fresh = temporary_path(target);
  std::error_code ignored;
  try {
    if (is_present(target) && !fs::is_directory(target)) {
      throw Error(fmt::format("cannot write folder {}: a file of that name exists", target.string()));
    }
    fs::create_directories(parent_of(target));
    // What an earlier, interrupted call for the same folder left: settled now, as it could not be told apart
    // later.
    std::vector<Leftover> earlier = leftovers_in(parent_of(target));
    std::erase_if(earlier,
                  [&](const Leftover& leftover) { return leftover.target.filename() != target.filename(); });
    settle(earlier);

    fs::create_directory(fresh);
    fill(fresh);
    sync_tree(fresh);
    replace_folder(fresh, target);
  } catch (const fs::filesystem_error& error) {
    fs::remove_all(fresh, ignored);
    throw Error(fmt::format("cannot write folder {}: {}", target.string(), error.code().message()));
  } catch (...) {
    fs::remove_all(fresh, ignored);
    throw;
  }
}

void remove_leftovers(const fs::path& folder) {
  try {
    settle(leftovers_in(folder));
  } catch (const fs::filesystem_error& error) {
    throw Error(fmt::format("cannot tidy folder {}: {}", folder.string(), error.code().message()));
  }
}

void require_writable_folder(const fs::path& folder) {
  const fs::path probe = temporary_path(folder / "write-probe");
  try {
    fs::create_directories(folder);
    static_cast<void>(open_file(probe, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW));
    fs::remove(probe);
  } catch (const fs::filesystem_error& error) {
    throw Error(fmt::format("cannot write into folder {}: {}", folder.string(), error.code().message()));
  } catch (const Error& error) {
    throw Error(fmt::format("cannot write into folder {}: {}", folder.string(), error.what()));
  }
}

void copy_file_durably(const fs::path& from, const fs::path& to) {
  try {
    const FileDescriptor source = open_file(from, O_RDONLY);
    DurableFile destination(to);
    std::vector<std::byte> buffer(std::size_t{1} << 20);
    while (true) {
      const ssize_t count = ::read(source.get(), buffer.data(), buffer.size());
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw Error(fmt::format("cannot read {}: {}", from.string(), std::strerror(errno)));
      if (count == 0) break;
      destination.write(std::span(buffer).first(static_cast<std::size_t>(count)));
    }
    destination.commit();
  } catch (const Error& error) {
    throw Error(fmt::format("cannot copy {} to {}: {}", from.string(), to.string(), error.what()));
  }
}

}  // namespace cola
