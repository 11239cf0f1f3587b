//! CSV as spreadsheets open it by a double click.

use crate::failure::Failure;
use clap::ValueEnum;
use csv::{ReaderBuilder, Terminator, WriterBuilder};

/// The column whose figures have decimals.
const DECIMALS: &str = "percent";

/// A spreadsheet, by what it takes for a separator. It goes by the language of the computer that opens the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Spreadsheet {
    /// Excel where a decimal comma is written (Brazil, most of Europe): columns by `;`
    Excel,
    /// Excel where a decimal point is written (English): columns by `,`
    ExcelEn,
}

/// The same cells for a spreadsheet: with the byte-order mark by which Excel knows UTF-8, its separator and its
/// decimals. No cell is a formula: to what would be taken for one, an apostrophe is put in front.
pub(super) fn for_spreadsheet(csv: &str, spreadsheet: Spreadsheet) -> Result<String, Failure> {
    let (separator, decimal) = match spreadsheet {
        Spreadsheet::Excel => (b';', ","),
        Spreadsheet::ExcelEn => (b',', "."),
    };
    let mut writer = WriterBuilder::new()
        .delimiter(separator)
        .terminator(Terminator::CRLF)
        .from_writer("\u{feff}".as_bytes().to_vec());
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .from_reader(csv.as_bytes());
    let mut decimals = None;
    for (line, record) in reader.records().enumerate() {
        let record = record.map_err(anyhow::Error::from)?;
        if line == 0 {
            decimals = record.iter().position(|heading| heading == DECIMALS);
        }
        let cells = record.iter().enumerate().map(|(column, cell)| {
            if Some(column) == decimals {
                cell.replace('.', decimal)
            } else {
                defused(cell)
            }
        });
        writer.write_record(cells).map_err(anyhow::Error::from)?;
    }
    finish(writer)
}

/// The CSV as a text.
///
/// # Errors
/// None, in memory.
pub(super) fn finish(writer: csv::Writer<Vec<u8>>) -> Result<String, Failure> {
    let bytes = writer
        .into_inner()
        .map_err(|error| anyhow::Error::msg(error.to_string()))?;
    Ok(String::from_utf8(bytes).map_err(anyhow::Error::from)?)
}

/// A cell that begins like a formula is one to a spreadsheet, in quotes too; the wide forms are where Chinese or
/// Japanese is written.
fn defused(cell: &str) -> String {
    let formula = [
        '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
    ];
    if cell.starts_with(formula) {
        format!("'{cell}")
    } else {
        cell.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{Spreadsheet, for_spreadsheet};

    const PLAIN: &str =
        "poll,name,votes,percent\np,\"Ana; \"\"a\"\", Bia\",3,12.50\np,=1+2,1,0.04\n";

    #[test]
    fn excel_gets_its_mark_separator_and_decimals() {
        assert_eq!(
            for_spreadsheet(PLAIN, Spreadsheet::Excel).expect("it is written"),
            "\u{feff}poll;name;votes;percent\r\np;\"Ana; \"\"a\"\", Bia\";3;12,50\r\np;'=1+2;1;0,04\r\n"
        );
        assert_eq!(
            for_spreadsheet(PLAIN, Spreadsheet::ExcelEn).expect("it is written"),
            "\u{feff}poll,name,votes,percent\r\np,\"Ana; \"\"a\"\", Bia\",3,12.50\r\np,'=1+2,1,0.04\r\n"
        );
    }

    #[test]
    fn no_cell_is_a_formula() {
        for start in ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"] {
            let plain = format!("name,votes\n\"{start}cmd|' /C calc'!A0\",1\n");
            let written = for_spreadsheet(&plain, Spreadsheet::Excel).expect("it is written");
            let cell = format!("'{start}cmd|' /C calc'!A0");
            assert!(written.contains(&cell), "{written:?}");
        }
        for name in ["Ana", "1.5", "a=b", "Ana-Bia", "❤️"] {
            let plain = format!("name,votes\n{name},1\n");
            let written = for_spreadsheet(&plain, Spreadsheet::Excel).expect("it is written");
            assert_eq!(written, format!("\u{feff}name;votes\r\n{name};1\r\n"));
        }
    }

    #[test]
    fn nothing_to_write_is_the_mark_alone() {
        let written = for_spreadsheet("", Spreadsheet::Excel).expect("it is written");
        assert_eq!(written, "\u{feff}");
    }
}
