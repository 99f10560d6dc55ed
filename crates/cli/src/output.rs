//! Where answers go: stdout, as a table or as JSON. Everything else a person should know goes to stderr.

use std::io::{self, IsTerminal as _, Write};

use clap::ValueEnum;

use crate::{
    exit::Failure,
    json::{self, Answer},
};

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people
    Table,
    /// JSON for programs, as grpcurl prints it
    Json,
}

/// Where answers go, and in which form.
pub struct Output {
    format: Format,
    is_terminal: bool,
    out: Box<dyn Write + Send>,
}

impl Output {
    /// Writes to stdout.
    pub fn stdout(format: Format) -> Self {
        Self { format, is_terminal: io::stdout().is_terminal(), out: Box::new(io::stdout()) }
    }

    /// The form of the answers.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether a person is watching, so that a line may be written over.
    pub fn is_terminal(&self) -> bool {
        self.is_terminal
    }

    /// Writes an answer: its JSON, or what `table` makes of it.
    pub fn answer<A: Answer>(
        &mut self,
        answer: &A,
        table: impl FnOnce(&A) -> String,
    ) -> Result<(), Failure> {
        let text = match self.format {
            Format::Table => table(answer),
            Format::Json => json::render(answer),
        };
        self.line(&text)
    }

    /// Writes one or more lines.
    pub fn line(&mut self, text: &str) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{text}")?)
    }

    /// Writes over the current line of a terminal.
    pub fn over(&mut self, text: &str) -> Result<(), Failure> {
        write!(self.out, "\r{text}")?;
        Ok(self.out.flush()?)
    }
}
