//! Text for people: headings, aligned tables, amounts and short forms, within 100 columns, on a terminal or off it.

use std::io::{self, Write};
use std::process;

/// The widest line that is printed, but for what is meant to be copied.
const WIDTH: usize = 100;
const GAP: &str = "  ";

/// Prints a line.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::text::print(&format!("{}\n", format_args!($($text)*)))
    };
}
pub(crate) use say;

/// Prints text as it is. Where nobody reads it any more (`make demo | head`) the process ends, and the guard clears up.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        process::exit(1);
    }
}

/// Prints a heading with its number.
pub(crate) fn heading(number: u32, text: &str) {
    let text = format!("{number}. {text}");
    say!("\n{text}\n{}\n", "-".repeat(text.chars().count()));
}

/// Prints a paragraph, broken at the width.
pub(crate) fn paragraph(text: &str) {
    say!("{}", broken(text, "", ""));
}

/// A text in lines no wider than the width: the first begins with `first`, the others with `rest`.
pub(crate) fn broken(text: &str, first: &str, rest: &str) -> String {
    let mut lines = vec![first.to_owned()];
    let mut is_empty = true;
    for word in text.split_whitespace() {
        let last = lines.last().map_or(0, |line| line.chars().count());
        if !is_empty && last + 1 + word.chars().count() > WIDTH {
            lines.push(rest.to_owned());
            is_empty = true;
        }
        if let Some(line) = lines.last_mut() {
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
        }
        is_empty = false;
    }
    lines.join("\n")
}

/// A command of the indexer to copy, an option a line.
pub(crate) fn command(arguments: &[String]) -> String {
    let mut text = "    $ asset-indexer".to_owned();
    for argument in arguments {
        let gap = if argument.starts_with("--contract") { " \\\n          " } else { " " };
        text.push_str(gap);
        text.push_str(argument);
    }
    text
}

/// A table whose columns are as wide as what they hold.
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
    is_right: Vec<bool>,
    indent: usize,
}

impl Table {
    /// A table with these columns; a name that begins with `>` stands at the right, as its values do.
    pub(crate) fn new<const N: usize>(columns: [&str; N]) -> Self {
        let is_right = columns.iter().map(|name| name.starts_with('>')).collect();
        let names = columns.iter().map(|name| name.trim_start_matches('>').to_owned()).collect();
        Self { rows: vec![names], is_right, indent: 2 }
    }

    /// The same, further to the right.
    pub(crate) fn indented(self, indent: usize) -> Self {
        Self { indent, ..self }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.to_vec());
    }

    /// Prints it, a line of dashes below the names.
    pub(crate) fn print(&self) {
        let widths: Vec<usize> = (0..self.is_right.len())
            .map(|column| {
                self.rows
                    .iter()
                    .filter_map(|row| row.get(column))
                    .map(|cell| cell.chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        for (place, row) in self.rows.iter().enumerate() {
            say!("{}", self.line(row, &widths));
            if place == 0 {
                let dashes: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
                say!("{}", self.line(&dashes, &widths));
            }
        }
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let cells: Vec<String> = cells
            .iter()
            .zip(widths)
            .zip(&self.is_right)
            .map(
                |((cell, width), is_right)| {
                    if *is_right { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
                },
            )
            .collect();
        let line = format!("{}{}", " ".repeat(self.indent), cells.join(GAP));
        shortened(line.trim_end(), WIDTH)
    }
}

/// A text of at most so many characters; what is left out shows as an ellipsis.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

/// The beginning and the end of an address or a hash.
pub(crate) fn short(hex: &str) -> String {
    match (hex.get(..6), hex.get(hex.len().saturating_sub(4)..)) {
        (Some(head), Some(tail)) if hex.len() > 12 => format!("{head}…{tail}"),
        _ => hex.to_owned(),
    }
}

/// A decimal number as people write it: thousands apart, two places at least, no zeros beyond them.
pub(crate) fn amount(number: &str) -> String {
    let (sign, number) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (whole, places) = number.split_once('.').unwrap_or((number, ""));
    format!("{sign}{}.{:0<2}", thousands(whole), places.trim_end_matches('0'))
}

fn thousands(digits: &str) -> String {
    let mut apart = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            apart.push(',');
        }
        apart.push(digit);
    }
    apart
}

/// `1 row`, `2 rows`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {thing}{plural}", thousands(&number.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_legible_and_exact() {
        assert_eq!(amount("1749.500000000000000000"), "1,749.50");
        assert_eq!(amount("0"), "0.00");
        assert_eq!(amount("-1234567.000000000000000001"), "-1,234,567.000000000000000001");
    }

    #[test]
    fn long_text_is_broken_and_short_text_is_not() {
        let long = "word ".repeat(60);
        assert!(broken(&long, "- ", "  ").lines().all(|line| line.chars().count() <= WIDTH));
        assert_eq!(broken("one two", "- ", "  "), "- one two");
    }
}
