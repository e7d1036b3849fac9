#pragma once
#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace cola {

/// A plot of the page: gnuplot draws `script`, then with_texts() puts in the texts.
struct ReportPlot {
  std::string name;     ///< of its file, without .svg
  std::string heading;  ///< not yet escaped
  std::string note;     ///< what the plot shows, below its heading; not yet escaped
  std::string script;
  std::vector<std::string> texts;  ///< of files, in place of the script's placeholders; not yet escaped
};

/// gnuplot's SVG with the texts, escaped, in place of the placeholders.
[[nodiscard]] std::string with_texts(const std::string& svg, const std::vector<std::string>& texts);

/// Middle tones: legible on white and on black.
inline constexpr std::array<const char*, 8> plot_colours = {"#3a86d6", "#d9722b", "#2b9d66", "#c24d8f",
                                                            "#8a6fe0", "#a08a1c", "#1f9aa8", "#d64545"};
inline constexpr std::size_t most_groups_in_a_plot = plot_colours.size();

inline constexpr int plot_width = 480;     ///< of an SVG, in its own pixels
inline constexpr int plot_font_size = 13;  ///< of names

/// A gnuplot script in the making. It is a program, so text of files never comes into it: a placeholder of
/// letters and digits stands for it until the picture is made.
class PlotScript {
 public:
  /// A line of text of files, as a quoted gnuplot string.
  [[nodiscard]] std::string text(std::string line);

  /// A plot command, as "$data0 with lines"; it has no entry in the legend.
  void add(const std::string& command);

  /// An entry of the legend: a line of the colour, with a dot on it or without, and the name in as many lines
  /// as the plot's width asks for.
  void add_to_legend(const std::string& colour, bool dot, const std::string& name);

  /// Defines a data block of lines "x y ..." and returns its name.
  [[nodiscard]] std::string data(const std::string& lines);

  /// A statement before the plot commands.
  void set(const std::string& statement);

  [[nodiscard]] bool empty() const { return commands_.empty(); }

  /// The whole plot, with its legend below it.
  [[nodiscard]] ReportPlot finish(const std::string& x_label, const std::string& y_label);

  /// The whole plot without a legend, the area of data `height` pixels high over the plot's whole width.
  [[nodiscard]] ReportPlot finish_wide(const std::string& x_label, int height);

 private:
  struct LegendEntry {
    std::string colour;
    bool dot = false;
    std::vector<std::string> lines;
  };

  [[nodiscard]] ReportPlot plot(const std::string& frame);
  void draw_legend(int plot_height);

  std::vector<std::string> texts_;
  std::string data_, settings_, commands_;
  std::vector<LegendEntry> legend_;
  std::size_t blocks_ = 0;
  int legend_lines_ = 0;
};

}  // namespace cola
