//! Lines of the canonical CSV as fields, and as columns for people.

/// The fields of a line; PostgreSQL's quoting, which our own lines do not need.
pub fn fields(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                field.push('"');
                characters.next();
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            other => field.push(other),
        }
    }
    fields.push(field);
    fields
}

/// The header and the first rows of a CSV text, in columns as wide as their widest field.
pub fn pages(body: &str, rows_max: usize) -> String {
    let rows: Vec<Vec<String>> = body.lines().take(rows_max.saturating_add(1)).map(fields).collect();
    let mut widths: Vec<usize> = Vec::new();
    for row in &rows {
        widths.resize(widths.len().max(row.len()), 0);
        for (width, field) in widths.iter_mut().zip(row) {
            *width = (*width).max(field.chars().count());
        }
    }
    let line = |row: &Vec<String>| {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(field, width)| format!("{field:<width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_read_as_postgresql_writes_them() {
        assert_eq!(fields("a,,\"b, \"\"c\"\"\",d"), ["a", "", "b, \"c\"", "d"]);
        assert_eq!(fields(""), [""]);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_field() {
        assert_eq!(pages("a,bb\n1,2\nlong,3\n", 1), "a  bb\n1  2\n");
        assert_eq!(pages("a,bb\n1,2\nlong,3\n", 9), "a     bb\n1     2\nlong  3\n");
    }
}
