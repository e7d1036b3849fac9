#pragma once
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "core/error.h"
#include "support/files.h"
#include "tasks/task.h"

namespace cola::test {

/// Writes the data files of a task and reads them back.
class TaskTest : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }

  std::vector<TaskItem> read(const std::string& task, TaskSplit split = TaskSplit::train) {
    return find_task(task).read(folder_.path(), split);
  }

  /// The only example of a file with this text.
  TaskItem only(const std::string& task, const std::string& file, const std::string& text) {
    write(file, text);
    const TaskSplit split =
        file.find("train") != std::string::npos ? TaskSplit::train : TaskSplit::validation;
    const auto items = read(task, split);
    EXPECT_EQ(items.size(), 1U);
    return items.empty() ? TaskItem() : items.front();
  }

  /// The message with which reading fails.
  std::string refusal(const std::string& task, const std::string& file, const std::string& text) {
    write(file, text);
    try {
      (void)read(task, file.find("train") != std::string::npos ? TaskSplit::train : TaskSplit::validation);
    } catch (const Error& error) {
      return error.what();
    }
    return "accepted";
  }

  TemporaryFolder folder_;
};

inline void expect_contains(const std::string& text, const std::string& part) {
  EXPECT_NE(text.find(part), std::string::npos) << text;
}

}  // namespace cola::test
