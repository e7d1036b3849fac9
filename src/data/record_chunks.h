#pragma once
#include <cstdint>
#include <exception>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/parallel.h"
#include "data/record_source.h"

namespace cola {

struct PlacedRecord {
  std::string text;
  std::string where;  ///< "data.jsonl:12"
};
using RecordChunk = std::vector<PlacedRecord>;  ///< records that follow each other

/// How far a file is read.
struct ReadingState {
  std::int64_t bytes = 0, bytes_in_all = 0;  ///< as they are stored; the latter 0 where the file has no size
  std::int64_t records = 0;
  bool is_comparing = false;  ///< with what the token cache has: not yet read
  bool is_waiting = false;    ///< for another process that reads it
};
using ReadingReport = std::function<void(const ReadingState&)>;

/// Cuts a file's records into chunks, several for each thread at a time.
class RecordChunks {
 public:
  /// Throws Error as open_records does.
  explicit RecordChunks(const std::filesystem::path& file);

  /// The next chunks; false at the end. An Error of reading is thrown by the call after the one that gave the
  /// records before it.
  [[nodiscard]] bool next(std::vector<RecordChunk>& chunks);
  [[nodiscard]] const ReadingState& state() const { return state_; }

 private:
  /// Adds what it reads to `bytes`. False at the end of the records.
  [[nodiscard]] bool fill(RecordChunk& chunk, std::size_t& bytes);

  std::unique_ptr<RecordSource> source_;
  std::exception_ptr failure_;
  ReadingState state_;
};

/// Calls add(record, set) for all records of a file, on all threads: those of a chunk with a set of the
/// chunk's own, and join(all, set) with the chunks' sets in the file's order. What comes out, and which Error
/// is thrown where several records are wrong, is as with one thread.
template <class Set, class Add, class Join>
[[nodiscard]] Set read_in_chunks(const std::filesystem::path& file, const ReadingReport& report,
                                 const Add& add, const Join& join) {
  RecordChunks reader(file);
  Set all;
  for (std::vector<RecordChunk> chunks; reader.next(chunks);) {
    std::vector<Set> sets(chunks.size());
    std::vector<std::exception_ptr> failures(chunks.size());
    parallel_for(std::ssize(chunks), 1, [&](std::int64_t begin, std::int64_t end) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
        try {
          for (const PlacedRecord& record : chunks[i]) add(record, sets[i]);
        } catch (...) {
          failures[i] = std::current_exception();
        }
      }
    });
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      join(all, std::move(sets[i]));  // with what came before a wrong record
      if (failures[i]) std::rethrow_exception(failures[i]);
    }
    if (report) report(reader.state());
  }
  return all;
}

}  // namespace cola
