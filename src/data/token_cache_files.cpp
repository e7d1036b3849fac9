#include "data/token_cache_files.h"

#include <fmt/format.h>

#include <chrono>
#include <span>
#include <string_view>
#include <vector>

#include "io/file_lock.h"
#include "io/files.h"
#include "io/json.h"
#include "io/memory_map.h"

namespace cola {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t format_version = 1;
constexpr auto kept_for = std::chrono::hours(24 * 30);

constexpr const char* words_file = "sequences.bin";
constexpr const char* index_file = "index.bin";
constexpr const char* description_file = "entry.json";

/// Errors of the disk as the cache's own.
template <class Write>
auto writing(const Write& write) {
  try {
    return write();
  } catch (const Error& error) {
    throw TokenCacheError(error.what());
  }
}

/// "KEY.tmp-123", which a process that was killed may have left.
bool is_temporary(const fs::path& path) {
  return path.filename().string().find(".tmp-") != std::string::npos;
}

/// Takes what is at `path` away at once, and then removes it.
void discard(const fs::path& path) {
  std::error_code failed;
  const fs::path discarded = is_temporary(path) ? path : temporary_path(path);
  if (discarded != path) fs::rename(path, discarded, failed);
  if (!failed) fs::remove_all(discarded, failed);
}

void discard_temporary(const fs::path& path) {
  const std::string name = path.filename().string();
  try {
    const FileLock lock(token_cache_lock(path.parent_path() / name.substr(0, name.find(".tmp-"))), "", 0);
    discard(path);
  } catch (const Error&) {
    return;  // somebody is at it
  }
}

bool is_out_of_use(const fs::path& used) {
  std::error_code failed;
  const auto time = fs::last_write_time(used, failed);
  return !failed && fs::file_time_type::clock::now() - time > kept_for;
}

}  // namespace

TokenCacheWriter::TokenCacheWriter(const fs::path& folder)
    : folder_(folder), words_(folder / words_file), index_(folder / index_file) {}

void TokenCacheWriter::add(const Sequences& sequences) {
  for (const auto& pack : sequences.packs()) {
    std::vector<PackedSequence> index(pack->index().begin(), pack->index().end());
    for (PackedSequence& sequence : index) sequence.end += end_;
    if (!index.empty()) end_ = index.back().end;
    const auto bytes = std::as_bytes(std::span(index));
    index_hash_.add(bytes);
    writing([&] {
      words_.write(std::as_bytes(pack->words()));
      index_.write(bytes);
    });
  }
}

void TokenCacheWriter::finish(const DataReport& report, const std::string& made_of) {
  const Json description{{"format_version", format_version},
                         {"made_of", made_of},
                         {"index_hash", index_hash_.hexadecimal()},
                         {"report", json_of(report)}};
  writing([&] {
    words_.commit();
    index_.commit();
    write_text_file(folder_ / description_file, description.dump(2) + "\n");
  });
}

Dataset open_token_cache_entry(const fs::path& folder, const std::string& made_of,
                               std::int64_t vocabulary_size) {
  const fs::path file = folder / description_file;
  const Json json = read_json_file(file);
  const JsonReader reader(json, file.string());
  if (reader.integer("format_version") != format_version || reader.string("made_of") != made_of)
    throw Error(fmt::format("{}: of another form", file.string()));
  MemoryMap index(folder / index_file);
  ContentHash hash;
  hash.add(index.bytes());
  if (hash.hexadecimal() != reader.string("index_hash"))
    throw Error(fmt::format("{}: changed since it was written", (folder / index_file).string()));
  index.drop();
  Dataset dataset;
  dataset.report = data_report_of(reader.at("report"), file.string());
  dataset.examples =
      Sequences(SequencePack(folder, MemoryMap(folder / words_file), std::move(index), vocabulary_size));
  return dataset;
}

void touch_token_cache_entry(const fs::path& folder) {
  std::error_code ignored;  // a cache that is only to be read is one too
  fs::last_write_time(folder / description_file, fs::file_time_type::clock::now(), ignored);
}

void tidy_token_cache(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code failed;
  for (const auto& entry : fs::directory_iterator(folder, failed)) found.push_back(entry.path());
  for (const fs::path& path : found) {
    if (is_temporary(path)) {
      discard_temporary(path);
    } else if (is_out_of_use(path / description_file)) {
      discard(path);
    }
  }
  for (const auto& hash : fs::directory_iterator(folder / "hashes", failed)) {
    if (is_out_of_use(hash.path())) fs::remove(hash.path(), failed);
  }
}

fs::path token_cache_lock(const fs::path& entry) {
  fs::path lock = entry;
  return lock += ".lock";
}

}  // namespace cola
