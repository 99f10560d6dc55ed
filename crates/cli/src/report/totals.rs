//! A report's pages as one answer, with the totals of all wallets.

use std::collections::BTreeMap;

use prost_types::Timestamp;

use crate::exit::Failure;

/// A line of totals.
pub trait Line: Sized {
    /// What it is about: a category, a group.
    fn group(&self) -> &str;

    /// When its period begins.
    fn start(&self) -> Option<Timestamp>;

    /// This line's figures and those of another page.
    fn plus(self, other: Self) -> Result<Self, Failure>;
}

/// Lines by group and the beginning of their period, as the service orders them.
pub struct Totals<L>(BTreeMap<(String, i64, i32), L>);

impl<L> Default for Totals<L> {
    /// Without a page.
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<L: Line> Totals<L> {
    /// Adds a page's.
    pub fn add(&mut self, lines: Vec<L>) -> Result<(), Failure> {
        for line in lines {
            let start = line.start().unwrap_or_default();
            let key = (line.group().to_owned(), start.seconds, start.nanos);
            let sum = match self.0.remove(&key) {
                Some(before) => before.plus(line)?,
                None => line,
            };
            self.0.insert(key, sum);
        }
        Ok(())
    }

    /// The lines of all pages.
    pub fn into_lines(self) -> Vec<L> {
        self.0.into_values().collect()
    }
}

/// All pages of a report as one answer.
macro_rules! all_pages {
    ($method:ident($request:ty) -> $response:ty) => {
        async fn all_pages(client: &Client, mut request: $request) -> Result<$response, Failure> {
            let mut whole = client.$method(request.clone()).await?;
            let mut totals = Totals::default();
            totals.add(std::mem::take(&mut whole.totals))?;
            while !whole.next_page_token.is_empty() {
                request.page_token = std::mem::take(&mut whole.next_page_token);
                let page = client.$method(request.clone()).await?;
                totals.add(page.totals)?;
                whole.wallets.extend(page.wallets);
                whole.next_page_token = page.next_page_token;
            }
            whole.totals = totals.into_lines();
            Ok(whole)
        }
    };
}
pub(super) use all_pages;
