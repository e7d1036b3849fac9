#include "eval/predictions.h"

#include "io/json.h"

namespace cola {

std::string predictions_text(std::span<const TaskPrediction> predictions) {
  std::string text;
  for (const TaskPrediction& prediction : predictions) {
    Json line{{"id", prediction.id},
              {"prediction", prediction.prediction},
              {"gold", prediction.gold},
              {"score", prediction.score}};
    if (!prediction.scores.empty()) line["scores"] = prediction.scores;
    if (!prediction.tokens.empty()) line["tokens"] = prediction.tokens;
    text += line.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }
  return text;
}

}  // namespace cola
