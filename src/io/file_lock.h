#pragma once
#include <filesystem>
#include <functional>
#include <string>

#include "io/file_descriptor.h"

namespace cola {

/// Holds flock(2) on a file, created with its folder if missing, until it is destroyed or the process ends;
/// the destructor removes the file, and the folder if nothing else is in it.
///
/// The removal is safe because it happens under the lock and because nobody takes a lock on a file that is no
/// longer there under its name: who waited for the removed one finds that out and opens the name anew. A
/// killed process leaves the file, which hinders nobody and goes with the next holder.
class FileLock {
 public:
  /// Tries for `patience` seconds, and calls `waiting` after each try in vain. Throws Error with `refusal`
  /// where another process has it, and Error naming the file where it cannot be created or locked.
  FileLock(std::filesystem::path file, const std::string& refusal, int patience,
           const std::function<void()>& waiting = {});
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  std::filesystem::path file_;
  FileDescriptor descriptor_;
};

}  // namespace cola
