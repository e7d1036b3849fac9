#include "data/record.h"

#include <gtest/gtest.h>

#include "core/error.h"

namespace cola {
namespace {

std::string refusal(const std::string& line) {
  try {
    (void)parse_record(line, "data.jsonl:7");
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

void expect_refusal(const std::string& line, const std::string& message) {
  const std::string said = refusal(line);
  EXPECT_EQ(said.find("data.jsonl:7: "), 0U) << line << "\n" << said;
  EXPECT_NE(said.find(message), std::string::npos) << line << "\n" << said;
}

std::string chat_with(const std::string& member) {
  return R"({"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b",)" + member + "}]}";
}

/// "user: a | assistant: b*0.5": roles and contents, weights other than 1, "~" at what is context.
std::string shown(const std::string& line) {
  std::string text;
  const DataRecord record = parse_record(line, "x");
  const ChatRecord& chat = std::get<ChatRecord>(record.form);
  for (std::size_t i = 0; i < chat.weights.size(); ++i) {
    const jinja::Dict& message = *chat.chat.messages.list()->items[i].dict();
    if (!text.empty()) text += " | ";
    text += (i < chat.context ? "~" : "") + jinja::text_of(*message.find(std::string_view("role"))).bytes +
            ": " + jinja::text_of(*message.find(std::string_view("content"))).bytes;
    if (chat.weights[i] != 1.0F) text += "*" + std::to_string(chat.weights[i]).substr(0, 3);
  }
  return text;
}

RecordFields fields(std::initializer_list<std::pair<std::string RecordFields::*, const char*>> given) {
  RecordFields fields;
  for (const auto& [field, name] : given) fields.*field = name;
  return fields;
}

TEST(Record, WeightIsANumberFromZeroOn) {
  EXPECT_EQ(parse_record(R"({"text":"a"})", "x").weight, 1.0F);
  EXPECT_EQ(parse_record(R"({"text":"a","weight":null})", "x").weight, 1.0F);
  EXPECT_EQ(parse_record(R"({"text":"a","weight":0})", "x").weight, 0.0F);
  EXPECT_EQ(parse_record(R"({"text":"a","weight":0.25})", "x").weight, 0.25F);
  EXPECT_EQ(parse_record(R"({"text":"a","weight":1e6})", "x").weight, 1e6F);
  EXPECT_EQ(parse_record(R"({"text":"a","train":true,"weight":2})", "x").weight, 2.0F);
  for (const char* key : {"train", "training", "loss"}) {
    EXPECT_EQ(parse_record(R"({"text":"a",")" + std::string(key) + "\":false}", "x").weight, 0.0F);
    expect_refusal(R"({"text":"a",")" + std::string(key) + "\":\"no\"}", key);
    expect_refusal(chat_with('"' + std::string(key) + "\":0.5"), "message 2: '" + std::string(key));
  }
  for (const char* bad : {"-1", "-0.5", "\"1\"", "true", "[1]", "1e39", "1e-39", "1e400"}) {
    expect_refusal(R"({"text":"a","weight":)" + std::string(bad) + "}",
                   bad == std::string("1e400") ? "1e400" : "weight");
    if (bad != std::string("1e400"))
      expect_refusal(chat_with("\"weight\":" + std::string(bad)), "message 2: 'weight'");
  }
  expect_refusal(R"({"text":"a","weight":NaN})", "not valid JSON");
}

TEST(Record, WeightsOfMessages) {
  EXPECT_EQ(shown(chat_with(R"("weight":0)")), "user: a | assistant: b*0.0");
  EXPECT_EQ(shown(chat_with(R"("weight":1)")), "user: a | assistant: b");
  EXPECT_EQ(shown(chat_with(R"("weight":0.5)")), "user: a | assistant: b*0.5");
  EXPECT_EQ(shown(chat_with(R"("train":false)")), "user: a | assistant: b*0.0");
  EXPECT_EQ(shown(chat_with(R"("training":false,"weight":3)")), "user: a | assistant: b*0.0");
  EXPECT_EQ(shown(R"({"messages":[{"role":"user","content":"a","weight":1,"train":false}]})"), "user: a*0.0");
  expect_refusal(R"({"messages":[{"role":"user","content":"a","weight":2}]})", "message 1: 'weight'");
  expect_refusal(R"({"messages":[{"role":"user","content":"a","train":true}]})", "message 1: 'train'");
}

TEST(Record, MasksBesideInputIdsAreObeyed) {
  const auto read = [](const std::string& members) {
    return std::get<TokenRecord>(parse_record(R"({"input_ids":[1,5,6],)" + members + "}", "x").form);
  };
  using Ids = std::vector<std::int64_t>;
  for (const char* key : {"completion_mask", "assistant_masks", "assistant_mask", "loss_mask"}) {
    const std::string name = '"' + std::string(key) + "\":";
    EXPECT_EQ(read(name + "[0,0,1]").labels, (Ids{-100, -100, 6}));
    EXPECT_EQ(read(name + "[false,true,true]").labels, (Ids{-100, 5, 6}));
    EXPECT_EQ(read(name + R"([0,1,1],"labels":[-100,-100,9])").labels, (Ids{-100, -100, 9}));
    expect_refusal(R"({"input_ids":[1,5,6],)" + name + "[0,1]}",
                   "2 " + std::string(key) + " for 3 input_ids");
    expect_refusal(R"({"input_ids":[1,5,6],)" + name + "[0,1,2]}", std::string(key) + "' entry 3");
    expect_refusal(R"({"input_ids":[1,5,6],)" + name + "[0,1,0.5]}", key);
    expect_refusal(R"({"input_ids":[1,5,6],)" + name + "1}", key);
    expect_refusal(R"({"text":"a",)" + name + "[1]}", key);
  }
  EXPECT_EQ(read(R"("attention_mask":[1,1,1])").ids, (Ids{1, 5, 6}));
  EXPECT_EQ(read(R"("attention_mask":[1,1,0])").ids, (Ids{1, 5}));
  EXPECT_EQ(read(R"("attention_mask":[0,1,1],"labels":[-100,5,6])").labels, (Ids{5, 6}));
  EXPECT_EQ(read(R"("attention_mask":[0,1,1],"completion_mask":[0,0,1])").labels, (Ids{-100, 6}));
  EXPECT_TRUE(read(R"("attention_mask":[0,0,0])").ids.empty());
  expect_refusal(R"({"input_ids":[1,5,6],"attention_mask":[1,0,1]})", "'attention_mask'");
  EXPECT_EQ(read(R"("position_ids":[0,1,2])").ids, (Ids{1, 5, 6}));
  EXPECT_EQ(read(R"("position_ids":[0,0,1],"attention_mask":[0,1,1])").ids, (Ids{5, 6}));
  expect_refusal(R"({"input_ids":[1,5,6],"position_ids":[0,1,0]})", "'position_ids'");
  expect_refusal(R"({"input_ids":[1,5,6],"position_ids":[1,2,3]})", "'position_ids'");
  expect_refusal(R"({"input_ids":[1,5,6],"position_ids":[0,1]})", "position_ids for 3");
}

TEST(Record, OtherArraysOfTokensAreRefusedByName) {
  for (const char* key :
       {"loss_weights", "token_weights", "segment_ids", "prompt_mask", "mask", "sequence_ids"})
    expect_refusal(R"({"input_ids":[1,5,6],")" + std::string(key) + "\":[1,1,0]}", key);
  expect_refusal(R"({"input_ids":[1,5,6],"token_type_ids":[0,0,1]})", "token_type_ids");
  expect_refusal(R"({"input_ids":[1,5,6],"attentionMask":[1,1,0]})", "is 'attention_mask' meant?");
  EXPECT_EQ(
      refusal(R"({"input_ids":[1,5,6],"token_type_ids":[0,0,0],"special_tokens_mask":[1,0,0],"length":3,)"
              R"("tokens":["a","b","c"],"scores":[0.5]})"),
      "accepted");
}

TEST(Record, ColumnsOfADataSetPass) {
  const std::string columns =
      R"("id":7,"name":"n","source":"web","metadata":{"tools":[1]},"score":0.5,"url":"u",)"
      R"("category":"c","label":1,"labels":[2],"tokens":12,"tools":[],"functions":null,)"
      R"("reasoning_content":"","images":[],"system":"","chosen":[],"prompt_id":"p")";
  for (const char* form :
       {R"("text":"a")", R"("prompt":"a","completion":"b")",
        R"("messages":[{"role":"assistant","content":"b","name":"n","id":1,"tool_calls":[],)"
        R"("function_call":null,"refusal":null,"timestamp":3,"reasoning_content":""}])"}) {
    EXPECT_EQ(refusal("{" + std::string(form) + "," + columns + "}"), "accepted");
  }
  EXPECT_EQ(refusal(R"({"text":"a","image":"x.jpg","system":"s","suffix":"z"})"), "accepted");
}

TEST(Record, KeysThatOtherProgramsActOnAreRefusedByName) {
  for (const char* key : {"tools", "functions", "function_call", "documents", "chat_template",
                          "chat_template_kwargs", "reasoning_content", "system_prompt", "history", "images",
                          "image", "loss_weight", "train_on_inputs"}) {
    const std::string member = '"' + std::string(key) + R"(":["x"])";
    expect_refusal(R"({"messages":[{"role":"user","content":"a"}],)" + member + "}", "'" + std::string(key));
    expect_refusal(R"({"prompt":"a","completion":"b",)" + member + "}", "'" + std::string(key));
  }
  expect_refusal(R"({"prompt":"a","completion":"b","suffix":"c"})", "'suffix'");
  expect_refusal(R"({"prompt":"a","completion":"b","system":"c"})", "'system'");
  expect_refusal(R"({"prompt":"a","completion":"b","label":false})", "'label'");
  for (const char* key : {"tool_calls", "function_call", "reasoning_content", "reasoning", "thinking",
                          "prefix", "train_detail", "mask", "weights", "toolCalls", "reasoningContent"})
    expect_refusal(chat_with('"' + std::string(key) + R"(":true)"), "message 2: '" + std::string(key));
}

TEST(Record, AKeyTwiceIsRefused) {
  expect_refusal(R"({"text":"a","text":"b"})", "'text' occurs twice");
  expect_refusal(R"({"messages":[{"role":"user","content":"a","content":"b"}]})", "'content' occurs twice");
}

TEST(Record, HalfACharacterIsRefused) {
  expect_refusal(R"({"text":"\ud83d"})", "not valid JSON");
  expect_refusal(R"({"text":"\ude00"})", "not valid JSON");
}

TEST(Record, ContentIsTextOrPartsOfText) {
  EXPECT_EQ(shown(R"({"messages":[{"role":"assistant","content":[{"type":"text","text":"fo"},)"
                  R"({"type":"text","text":"ur"}]}]})"),
            "assistant: [{'type': 'text', 'text': 'fo'}, {'type': 'text', 'text': 'ur'}]");
  expect_refusal(
      R"({"messages":[{"role":"user","content":"a"},{"role":"user","content":[{"type":"text","text":"a"},)"
      R"({"type":"image_url","image_url":{}}]}]})",
      "message 2: part 2 of 'content' is 'image_url'");
  expect_refusal(R"({"messages":[{"role":"user","content":["a"]}]})", "message 1: part 1");
  expect_refusal(R"({"messages":[{"role":"user","content":{"text":"a"}}]})", "message 1: 'content'");
  expect_refusal(R"({"messages":[{"role":"user","content":null}]})", "message 1: 'content' is missing");
}

TEST(Record, AnEmptyAnswerIsRefused) {
  for (const char* content : {R"("")", R"(" \n")", "[]", R"([{"type":"text","text":""}])"}) {
    const std::string turn = R"({"role":"assistant","content":)" + std::string(content);
    expect_refusal(R"({"messages":[{"role":"user","content":"a"},)" + turn + "}]}", "message 2: the content");
    EXPECT_EQ(refusal(R"({"messages":[{"role":"user","content":"a"},)" + turn + R"(,"weight":0}]})"),
              "accepted");
  }
  EXPECT_EQ(refusal(R"({"messages":[{"role":"system","content":""},{"role":"user","content":""}]})"),
            "accepted");
  expect_refusal(R"({"prompt":"a","completion":""})", "'completion' is empty");
  expect_refusal(R"({"prompt":[{"role":"user","content":"a"}],"completion":[]})", "'completion' is empty");
}

TEST(Record, ThePromptOfAChatIsACopyOfItsFirstTurn) {
  const std::string chat = R"("messages":[{"role":"system","content":"s"},{"role":"user","content":"Hi"}])";
  EXPECT_EQ(shown(R"({"prompt":"Hi","prompt_id":"x",)" + chat + "}"), "system: s | user: Hi");
  EXPECT_EQ(shown(R"({"prompt":" Hi\n",)" + chat + R"(,"chosen":[1],"rejected":[2]})"),
            "system: s | user: Hi");
  expect_refusal(R"({"prompt":"Bye",)" + chat + "}", "'prompt' beside 'messages'");
  expect_refusal(R"({"prompt":"Hi","completion":"x",)" + chat + "}", "more than one form");
}

TEST(Record, PromptAndCompletionOfMessages) {
  EXPECT_EQ(shown(R"({"prompt":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},)"
                  R"({"role":"user","content":"c"}],"completion":[{"role":"assistant","content":"d"}]})"),
            "~user: a | ~assistant: b | ~user: c | assistant: d");
  expect_refusal(R"({"prompt":"a","completion":[{"role":"assistant","content":"d"}]})", "'completion'");
  expect_refusal(
      R"({"prompt":[{"role":"assistant","content":"a"}],"completion":[{"role":"assistant","content":"d"}]})",
      "'prompt' ends in an assistant turn");
  expect_refusal(R"({"prompt":[{"role":"user"}],"completion":[{"role":"assistant","content":"d"}]})",
                 "prompt: message 1: 'content'");
}

TEST(Record, ShareGptsConversationsAreChats) {
  EXPECT_EQ(shown(R"({"id":"1","conversations":[{"from":"system","value":"s"},{"from":"human","value":"a"},)"
                  R"({"from":"gpt","value":"b","weight":0}]})"),
            "system: s | user: a | assistant: b*0.0");
  EXPECT_EQ(
      shown(R"({"system":"s","conversations":[{"from":"human","value":"a"},{"from":"gpt","value":"b"}]})"),
      "system: s | user: a | assistant: b");
  EXPECT_EQ(shown(R"({"conversation":[{"role":"user","content":"a"}]})"), "user: a");
  expect_refusal(R"({"image":"x.jpg","conversations":[{"from":"human","value":"a"}]})", "'image'");
  expect_refusal(R"({"system":"s","messages":[{"role":"system","content":"t"}]})", "'system'");
}

TEST(Record, OtherProgramsFormsAreCalledWhatTheyAre) {
  expect_refusal(R"({"prompt":"a","chosen":"b","rejected":"c"})", "preference pair");
  expect_refusal(R"({"chosen":[],"rejected":[{"role":"user"}]})", "preference pair");
  expect_refusal(R"({"instruction":"a","response":"b"})", "--prompt-field instruction");
  expect_refusal(R"({"instruction":"a","input":"b"})", "an instruction without its 'output'");
  expect_refusal(R"({"question":"a","answers":["b"]})", "a question without its 'answer'");
  expect_refusal(R"({"prompt":"a","response":"b"})", "the keys are: prompt, response");
  expect_refusal(R"({"words":1,"id":2})",
                 "unknown form: a line is {\"text\"}, {\"prompt\",\"completion\"}, {\"messages\"");
  expect_refusal(R"({"words":1,"id":2})", "the keys of this one are: id, words");
}

TEST(Record, MessagesCountFromOne) {
  expect_refusal(R"({"messages":[{"role":"user"}]})", "message 1: 'content' is missing");
  expect_refusal(R"({"messages":[{"role":"user","content":"a"},{"content":"b"}]})",
                 "message 2: 'role' is missing");
  expect_refusal(R"({"messages":[5]})", "message 1: must be a JSON object");
}

InstructionRecord instruction(const std::string& line) {
  return std::get<InstructionRecord>(parse_record(line, "x").form);
}

TEST(Record, AlpacasInstructions) {
  const InstructionRecord with_input = instruction(R"({"instruction":"Add.","input":"1 2","output":"3"})");
  EXPECT_EQ(with_input.user, "Add.\n1 2");
  EXPECT_EQ(with_input.answer, "3");
  EXPECT_EQ(
      with_input.prompt,
      "Below is an instruction that describes a task, paired with an input that provides further context. "
      "Write a response that appropriately completes the request.\n\n### Instruction:\nAdd.\n\n"
      "### Input:\n1 2\n\n### Response:");
  for (const char* input : {"", R"("input":"",)", R"("input":null,)"}) {
    const InstructionRecord without =
        instruction("{" + std::string(input) + R"("instruction":"Go.","output":"Gone."})");
    EXPECT_EQ(without.user, "Go.");
    EXPECT_EQ(
        without.prompt,
        "Below is an instruction that describes a task. Write a response that appropriately completes the "
        "request.\n\n### Instruction:\nGo.\n\n### Response:");
    EXPECT_EQ(without.completion, "Gone.");
  }
  expect_refusal(R"({"instruction":"a","output":5})", "'output' must be a string");
  expect_refusal(R"({"instruction":["a"],"output":"b"})", "'instruction' must be a string");
  expect_refusal(R"({"instruction":"a","output":"b","input":{}})", "'input' must be a string");
  expect_refusal(R"({"instruction":"a","output":"b","history":[["c","d"]]})", "'history'");
  expect_refusal(R"({"instruction":"a","output":"b","context":"c"})", "'context'");
}

TEST(Record, ATextBesideAnInstructionIsItsCopyOrRefused) {
  EXPECT_EQ(parse_record(R"({"instruction":"a","output":"b","text":"Do a: b"})", "x").form_name, "Alpaca");
  expect_refusal(R"({"instruction":"a","output":"b","text":"c"})", "--text-field text");
  EXPECT_EQ(parse_record(R"({"instruction":"a","output":"b","text":"c"})", "x",
                         fields({{&RecordFields::text, "text"}}))
                .form_name,
            "text");
}

TEST(Record, QuestionsAndAnswers) {
  const InstructionRecord read = instruction(R"({"question":"Why?","answer":"So."})");
  EXPECT_EQ(read.user, "Why?");
  EXPECT_EQ(read.answer, "So.");
  EXPECT_EQ(read.prompt, "Question: Why?\nAnswer:");
  EXPECT_EQ(read.completion, " So.");
  expect_refusal(R"({"question":"a","answer":1})", "'answer' must be a string");
  expect_refusal(R"({"question":"a","answer":"b","choices":["c"]})", "'choices'");
  expect_refusal(R"({"question":"a","answer":"b","context":"c"})", "'context'");
}

TEST(Record, FormsHaveNames) {
  const auto name = [](const std::string& line) { return parse_record(line, "x").form_name; };
  EXPECT_EQ(name(R"({"text":"a"})"), "text");
  EXPECT_EQ(name(R"({"prompt":"a","completion":"b"})"), "prompt and completion");
  EXPECT_EQ(name(R"({"conversations":[{"from":"human","value":"a"}]})"), "ShareGPT");
  EXPECT_EQ(name(R"({"conversations":[{"role":"user","content":"a"}]})"), "messages");
  EXPECT_EQ(name(R"({"input_ids":[1]})"), "input_ids");
}

DataRecord named(const std::string& line, const RecordFields& fields) {
  return parse_record(line, "x", fields);
}

TEST(Record, FieldsAreNamed) {
  const std::string line =
      R"({"q":"Why?","a":"So.","n":7,"system":"s","chat":[{"role":"user","content":"b"}]})";
  const auto completion = std::get<CompletionRecord>(
      named(line,
            fields({{&RecordFields::prompt_template, "{q} ({n}) {{}}"}, {&RecordFields::completion, "a"}}))
          .form);
  EXPECT_EQ(completion.prompt, "Why? (7) {}");
  EXPECT_EQ(completion.completion, "So.");
  EXPECT_EQ(std::get<TextRecord>(named(line, fields({{&RecordFields::text, "a"}})).form).text, "So.");
  EXPECT_EQ(named(R"({"chat":"[{\"role\":\"user\",\"content\":\"b\"}]"})",
                  fields({{&RecordFields::messages, "chat"}}))
                .form_name,
            "messages");
  EXPECT_EQ(std::get<CompletionRecord>(
                named(R"({"q":"a","answer":"b"})", fields({{&RecordFields::prompt, "q"}})).form)
                .completion,
            "b");
  const auto refused = [&](const RecordFields& fields, const std::string& message) {
    try {
      (void)named(line, fields);
      ADD_FAILURE() << message;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what();
    }
  };
  refused(fields({{&RecordFields::prompt, "q"}, {&RecordFields::completion, "a"}}),
          "'system'");  // which would be lost
  refused(fields({{&RecordFields::prompt, "q"}}), "--completion-field");
  refused(fields({{&RecordFields::prompt, "q"}, {&RecordFields::completion, "none"}}), "'none'");
  refused(fields({{&RecordFields::completion, "a"}, {&RecordFields::prompt_template, "{none}"}}),
          "'none' of --prompt-template is missing");
  refused(fields({{&RecordFields::completion, "a"}, {&RecordFields::prompt_template, "{chat}"}}),
          "'chat' of --prompt-template is no text");
  refused(fields({{&RecordFields::messages, "q"}}), "'q'");
  refused(fields({{&RecordFields::text, "n"}}), "'n' must be a string");
}

TEST(Record, FieldsThatExcludeEachOther) {
  EXPECT_NO_THROW(check_record_fields({}));
  EXPECT_NO_THROW(check_record_fields(
      fields({{&RecordFields::completion, "a"}, {&RecordFields::prompt_template, "{q}"}})));
  EXPECT_THROW(check_record_fields(fields({{&RecordFields::prompt, "q"}, {&RecordFields::text, "t"}})),
               UsageError);
  EXPECT_THROW(check_record_fields(fields({{&RecordFields::text, "t"}, {&RecordFields::messages, "m"}})),
               UsageError);
  EXPECT_THROW(
      check_record_fields(fields({{&RecordFields::prompt, "q"}, {&RecordFields::prompt_template, "{q}"}})),
      UsageError);
  EXPECT_THROW(check_record_fields(fields({{&RecordFields::prompt_template, "{q"}})), UsageError);
}

}  // namespace
}  // namespace cola
