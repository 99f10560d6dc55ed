//! Reads a usage trace, one row at a time. Knows the file's shape, and nothing of accounts or prices.

use std::{
    fmt::Write as _,
    fs::File,
    path::{Path, PathBuf},
};

use csv::{Reader, ReaderBuilder, StringRecord, Trim};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::exit::Failure;

const HEADER: [&str; 3] = ["TIMESTAMP", "ContextTokens", "GeneratedTokens"];

/// Longer than any way to write an instant, short enough to be metadata.
const MAX_TIMESTAMP: usize = 64;

/// One request to a language model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// 1 for the first row after the header.
    pub number: u64,
    /// When it happened, as the trace writes it.
    pub timestamp: String,
    /// How many tokens went in.
    pub context_tokens: u32,
    /// How many tokens came out.
    pub generated_tokens: u32,
    /// The first 64 bits of SHA-256 over the row's content, in hexadecimal.
    pub hash: String,
}

/// Why a trace cannot be read.
#[derive(Debug, Error)]
pub enum TraceError {
    /// The file cannot be opened or read, or is no CSV.
    #[error("{}: {error}", path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// What is wrong; names the line.
        error: csv::Error,
    },
    /// The first line is another one.
    #[error("{}, line 1: the header must be {}", path.display(), HEADER.join(","))]
    Header {
        /// The file.
        path: PathBuf,
    },
    /// A field is malformed.
    #[error("{}, line {line}: {field} {value:?} {problem}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// The line, where the header is line 1.
        line: u64,
        /// The column.
        field: &'static str,
        /// What stands there.
        value: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl From<TraceError> for Failure {
    fn from(error: TraceError) -> Self {
        Self::Usage(error.to_string())
    }
}

/// A trace that is being read.
pub struct Trace {
    path: PathBuf,
    reader: Reader<File>,
    read: u64,
}

impl Trace {
    /// Opens a trace and checks its header.
    pub fn open(path: &Path) -> Result<Self, TraceError> {
        let csv = |error| TraceError::Csv { path: path.to_owned(), error };
        let mut reader = ReaderBuilder::new().trim(Trim::All).from_path(path).map_err(csv)?;
        if reader.headers().map_err(csv)? != HEADER.as_slice() {
            return Err(TraceError::Header { path: path.to_owned() });
        }
        Ok(Self { path: path.to_owned(), reader, read: 0 })
    }

    /// Reads a trace from end to end, so that it is known to be well-formed, and counts its rows.
    pub fn count(path: &Path) -> Result<u64, TraceError> {
        Self::open(path)?.try_fold(0, |rows, row| row.map(|_| rows + 1))
    }

    /// The file's name without folder and extension.
    pub fn name(&self) -> String {
        let name = self.path.file_stem().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    fn row(&self, record: &StringRecord) -> Result<Row, TraceError> {
        let line = record.position().map_or(0, csv::Position::line);
        let malformed = |field, value: &str, problem| TraceError::Field {
            path: self.path.clone(),
            line,
            field,
            value: value.to_owned(),
            problem,
        };
        let tokens = |column: usize| {
            let value = &record[column];
            value.parse().map_err(|_| {
                malformed(HEADER[column], value, "is no whole number from 0 to 4294967295")
            })
        };
        let timestamp = &record[0];
        if timestamp.is_empty() || timestamp.len() > MAX_TIMESTAMP {
            return Err(malformed(HEADER[0], timestamp, "is no instant"));
        }
        Ok(Row {
            number: self.read,
            timestamp: timestamp.to_owned(),
            context_tokens: tokens(1)?,
            generated_tokens: tokens(2)?,
            hash: hash(record),
        })
    }
}

impl Iterator for Trace {
    type Item = Result<Row, TraceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut record = StringRecord::new();
        match self.reader.read_record(&mut record) {
            Ok(true) => {
                self.read += 1;
                Some(self.row(&record))
            }
            Ok(false) => None,
            Err(error) => Some(Err(TraceError::Csv { path: self.path.clone(), error })),
        }
    }
}

fn hash(record: &StringRecord) -> String {
    let mut sha256 = Sha256::new();
    for field in record {
        sha256.update(field);
        sha256.update(b",");
    }
    sha256.finalize().iter().take(8).fold(String::new(), |mut hash, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hash, "{byte:02x}");
        hash
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of the test's own, gone when the test is over.
    struct Temporary(PathBuf);

    impl Temporary {
        fn with(name: &str, content: &str) -> Self {
            let path = std::env::temp_dir().join(format!("{}-{name}.csv", std::process::id()));
            std::fs::write(&path, content).unwrap();
            Self(path)
        }

        fn error(&self) -> String {
            Trace::count(&self.0).unwrap_err().to_string()
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = std::fs::remove_file(&self.0);
        }
    }

    #[test]
    fn rows_are_numbered_from_one_and_hashed_by_content() {
        let file = Temporary::with(
            "rows",
            "TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:17:03.9799600,4808,10\r\n\
             2023-11-16 18:17:04.0319600, 3180 ,8",
        );
        let rows: Vec<Row> = Trace::open(&file.0).unwrap().map(Result::unwrap).collect();
        assert_eq!(Trace::count(&file.0).unwrap(), 2);
        assert_eq!(
            rows[1],
            Row {
                number: 2,
                timestamp: "2023-11-16 18:17:04.0319600".to_owned(),
                context_tokens: 3_180,
                generated_tokens: 8,
                hash: rows[1].hash.clone(),
            }
        );
        assert_eq!(rows[0].hash.len(), 16);
        assert_ne!(rows[0].hash, rows[1].hash);
    }

    #[test]
    fn errors_name_the_line() {
        let file =
            Temporary::with("field", "TIMESTAMP,ContextTokens,GeneratedTokens\nt,1,2\nt,-1,2\n");
        assert!(file.error().contains("line 3: ContextTokens \"-1\" is no whole number"));
        let file =
            Temporary::with("short", "TIMESTAMP,ContextTokens,GeneratedTokens\nt,1,2\nt,1\n");
        assert!(file.error().contains("line: 3"), "{}", file.error());
        let file = Temporary::with("header", "TIMESTAMP,Context,Generated\nt,1,2\n");
        assert!(file.error().contains("line 1: the header must be TIMESTAMP,ContextTokens"));
        let missing = Path::new("/nonexistent/trace.csv");
        assert!(
            Trace::count(missing).unwrap_err().to_string().starts_with("/nonexistent/trace.csv")
        );
    }
}
