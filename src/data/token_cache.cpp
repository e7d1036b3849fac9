#include "data/token_cache.h"

#include <fmt/format.h>

#include <cstdlib>
#include <limits>
#include <utility>

#include "cola/version.h"
#include "core/error.h"
#include "data/token_cache_files.h"
#include "io/content_hash.h"
#include "io/file_lock.h"
#include "io/files.h"

namespace cola {
namespace {

namespace fs = std::filesystem;

/// Why there can be no cache in `folder`, or nothing.
std::string refusal_to_create(const fs::path& folder) {
  std::error_code failed;
  const bool is_new = fs::create_directories(folder, failed);
  if (failed) return fmt::format("cannot create {}: {}", folder.string(), failed.message());
  if (is_new) fs::permissions(folder, fs::perms::owner_all, failed);  // texts are nobody else's business
  return "";
}

/// Why nothing of the size of `file` can be written there, or nothing.
std::string refusal_to_write(const fs::path& folder, const fs::path& file) {
  std::error_code failed;
  try {
    require_writable_folder(folder);
  } catch (const Error& error) {
    return error.what();
  }
  const auto wanted = fs::file_size(file, failed);  // text has about four bytes a token, as a token has
  const auto available = fs::space(folder, failed).available;
  if (failed || available > wanted) return "";
  return fmt::format("{:.1f} GB are left in {}", static_cast<double>(available) / 1e9, folder.string());
}

/// The program itself: what another one tokenised is not taken for its own.
std::string program_hash(const FileHashes& hashes) {
  std::error_code failed;
  const fs::path program = fs::read_symlink("/proc/self/exe", failed);
  return failed || !fs::is_regular_file(program, failed) ? "unknown" : hashes.of(program);
}

std::string describe(const SpecialTokens& special) {
  const auto id = [](const std::optional<std::int32_t>& one) { return one ? std::to_string(*one) : "none"; };
  std::string text = fmt::format("bos {} eos {} pad {} add_bos {} ends", id(special.bos), id(special.eos),
                                 id(special.pad), special.add_bos);
  for (const std::int32_t end : special.ends) text += fmt::format(" {}", end);
  return text;
}

std::string describe(const DataOptions& options) {
  const RecordFields& fields = options.fields;
  return fmt::format(
      "max_length {} train_on_prompt {} append_eos {}\nfields {:?} {:?} {:?} {:?} {:?}\nchat template {}",
      options.max_length, options.train_on_prompt, options.append_eos, fields.prompt, fields.completion,
      fields.text, fields.messages, fields.prompt_template,
      options.chat_format ? options.chat_format->identity() : "none");
}

Dataset read_alone(const SequenceReader& read) {
  Dataset dataset;
  dataset.report = read([&](const Sequences& part) { dataset.examples.append(part); });
  return dataset;
}

}  // namespace

fs::path user_token_cache() {
  const auto variable = [](const char* name) -> fs::path {
    const char* value = std::getenv(name);
    return value != nullptr && fs::path(value).is_absolute() ? value : "";
  };
  if (const fs::path cache = variable("XDG_CACHE_HOME"); !cache.empty()) return cache / "cola" / "tokens";
  if (const fs::path home = variable("HOME"); !home.empty()) return home / ".cache" / "cola" / "tokens";
  return {};
}

TokenCache::TokenCache(fs::path folder, fs::path tokenizer, std::function<void(const std::string&)> note)
    : folder_(std::move(folder)),
      tokenizer_(std::move(tokenizer)),
      note_(std::move(note)),
      hashes_(folder_ / "hashes") {}

std::string TokenCache::tokenizer_hash() const {
  if (!fs::is_directory(tokenizer_)) return hashes_.of(tokenizer_);
  ContentHash hash;
  for (const fs::path& file : tokenizer_files(tokenizer_))
    hash.add(fmt::format("{} {}\n", file.filename().string(), hashes_.of(file)));
  return hash.hexadecimal();
}

TokenCache::Entry TokenCache::entry_of(const fs::path& file, const SequenceSource& source,
                                       const ReadingReport& each) const {
  ReadingState state{.bytes_in_all = static_cast<std::int64_t>(fs::file_size(file)), .is_comparing = true};
  const std::string content = hashes_.of(file, [&](std::int64_t bytes) {
    state.bytes = bytes;
    if (each) each(state);
  });
  Entry entry;
  entry.vocabulary_size = source.vocabulary_size;
  entry.made_of = fmt::format("cola {} {}\n{} of {} {}\ntokenizer {}\nvocabulary {} {}\n{}", version(),
                              program_hash(hashes_), source.kind, file.filename().string(), content,
                              source.tokenizer != nullptr ? tokenizer_hash() : "none", source.vocabulary_size,
                              source.tokenizer != nullptr ? describe(source.tokenizer->special()) : "",
                              describe(source.options));
  ContentHash name;
  name.add(entry.made_of);
  entry.folder = folder_ / name.hexadecimal();
  return entry;
}

std::optional<Dataset> TokenCache::open(const Entry& entry) const {
  if (!fs::is_directory(entry.folder)) return std::nullopt;
  try {
    Dataset dataset = open_token_cache_entry(entry.folder, entry.made_of, entry.vocabulary_size);
    touch_token_cache_entry(entry.folder);
    dataset.report.from_cache = true;
    return dataset;
  } catch (const Error& error) {
    note_(fmt::format("note: token cache: {}: made anew", error.what()));
    return std::nullopt;
  }
}

void TokenCache::make(const Entry& entry, const fs::path& file, const std::string& identity,
                      const SequenceReader& read, std::exception_ptr& failure) const {
  tidy_token_cache(folder_);
  write_folder(entry.folder, [&](const fs::path& fresh) {
    TokenCacheWriter writer(fresh);
    DataReport report;
    try {
      report = read([&](const Sequences& part) { writer.add(part); });
      if (file_identity(file) != identity)
        throw Error(
            fmt::format("{}: changed while it was read: start again when it is whole", file.string()));
    } catch (const TokenCacheError&) {
      throw;
    } catch (...) {
      failure = std::current_exception();
      throw;
    }
    writer.finish(report, entry.made_of);
  });
}

Dataset TokenCache::sequences_of(const fs::path& file, const SequenceSource& source,
                                 const ReadingReport& each, const SequenceReader& read) const {
  const std::string identity = file_identity(file);
  if (identity.empty()) return read_alone(read);
  const auto without_cache = [&](const std::string& why) {
    note_(fmt::format("note: no token cache: {}", why));
    return read_alone(read);
  };
  if (const std::string why = refusal_to_create(folder_); !why.empty()) return without_cache(why);
  const Entry entry = entry_of(file, source, each);
  if (auto kept = open(entry)) return *std::move(kept);
  if (const std::string why = refusal_to_write(folder_, file); !why.empty()) return without_cache(why);
  std::exception_ptr failure;  // of the data
  try {
    const FileLock lock(token_cache_lock(entry.folder), "", std::numeric_limits<int>::max(), [&] {
      if (each) each({.is_waiting = true});
    });
    if (auto kept = open(entry)) return *std::move(kept);
    make(entry, file, identity, read, failure);
    return open_token_cache_entry(entry.folder, entry.made_of, entry.vocabulary_size);
  } catch (const Error& error) {
    if (failure) std::rethrow_exception(failure);
    return without_cache(error.what());
  }
}

Dataset read_through(const TokenCache* cache, const fs::path& file, const SequenceSource& source,
                     const ReadingReport& each, const SequenceReader& read) {
  return cache != nullptr ? cache->sequences_of(file, source, each, read) : read_alone(read);
}

}  // namespace cola
