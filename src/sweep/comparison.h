#pragma once
#include <map>
#include <string>

#include "sweep/answers.h"
#include "sweep/results.h"

namespace cola {

/// Sets of the rows that have a score: questions and interval (Wilson's for right answers of one seed, else a
/// bootstrap over questions, each with the answers of all seeds), and the gain over the row of `gain_over` at
/// the setting that agrees. Then compares every two rows of a task that are of one method or whose settings
/// agree. Trials are paired by seed; a row without training, which has one trial, is paired with every seed
/// that has the same questions. `answers` has the finished trials, by task.
void compare_rows(const std::map<std::string, AnswerIndex>& answers, SweepResults& results);

}  // namespace cola
