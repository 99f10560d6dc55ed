//! Just enough of PostgreSQL's wire protocol to see a commit go by: where messages end, which statement an
//! execution is of, and which message an answer belongs to.
//!
//! Owns no socket and changes nothing. It knows sessions that begin and end transactions by simple queries, as
//! Purse's do, and no encryption.

use std::collections::HashMap;

use bytes::{Buf as _, Bytes, BytesMut};

/// Length words count themselves.
const LENGTH_BYTES: usize = 4;

/// One message, whole.
#[derive(Debug, Clone)]
pub struct Message {
    /// What it is; 0: the first message of a client, which has no kind.
    pub kind: u8,
    /// As it was sent.
    pub bytes: Bytes,
}

impl Message {
    /// The strings that it begins with.
    fn strings(&self) -> impl Iterator<Item = &[u8]> {
        let body = self.bytes.get(1 + LENGTH_BYTES..).unwrap_or_default();
        body.split(|byte| *byte == 0)
    }
}

/// Divides one direction of a connection into messages.
#[derive(Debug)]
pub struct Messages {
    buffer: BytesMut,
    /// The next one has no kind.
    is_first: bool,
}

impl Messages {
    /// What a client sends.
    pub fn of_client() -> Self {
        Self { buffer: BytesMut::new(), is_first: true }
    }

    /// What a server sends.
    pub fn of_server() -> Self {
        Self { buffer: BytesMut::new(), is_first: false }
    }

    /// Where bytes that have arrived are put.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next message, if all of it is there.
    pub fn next(&mut self) -> Option<Message> {
        let kind_bytes = usize::from(!self.is_first);
        let mut length = self.buffer.get(kind_bytes..kind_bytes + LENGTH_BYTES)?;
        let whole = kind_bytes + usize::try_from(length.get_u32()).ok()?;
        if self.buffer.len() < whole {
            return None;
        }
        let kind = if self.is_first { 0 } else { self.buffer[0] };
        self.is_first = false;
        Some(Message { kind, bytes: self.buffer.split_to(whole).freeze() })
    }
}

/// What a client's message means for its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A part of something.
    Part,
    /// The server says when it is ready again.
    Round,
    /// The same, and what was written before becomes durable.
    Commit,
}

/// What a client has said so far.
#[derive(Debug, Default)]
pub struct Session {
    /// Prepared statements, and whether they write.
    statements: HashMap<Vec<u8>, bool>,
    /// Portals likewise.
    portals: HashMap<Vec<u8>, bool>,
    block: Block,
    /// Something that writes was executed since the last round.
    has_written: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Block {
    #[default]
    None,
    Reading,
    Writing,
}

impl Session {
    /// Takes in what the client says next.
    pub fn hear(&mut self, message: &Message) -> Meaning {
        let mut strings = message.strings();
        let mut next = || strings.next().unwrap_or_default();
        match message.kind {
            b'P' => {
                let (name, sql) = (next().to_vec(), next());
                self.statements.insert(name, writes(sql));
            }
            b'B' => {
                let (portal, statement) = (next().to_vec(), next());
                let writes = self.statements.get(statement).copied().unwrap_or_default();
                self.portals.insert(portal, writes);
            }
            b'E' => self.has_written |= self.portals.get(next()).copied().unwrap_or_default(),
            b'Q' => return self.simple(next()),
            b'S' => {
                let has_written = std::mem::take(&mut self.has_written);
                let commits = has_written && self.block == Block::None;
                return if commits { Meaning::Commit } else { Meaning::Round };
            }
            _ => {}
        }
        Meaning::Part
    }

    fn simple(&mut self, sql: &[u8]) -> Meaning {
        if sql.starts_with(b"BEGIN") {
            let reads = sql.ends_with(b"READ ONLY");
            self.block = if reads { Block::Reading } else { Block::Writing };
        } else if sql.starts_with(b"COMMIT") {
            if std::mem::take(&mut self.block) == Block::Writing {
                return Meaning::Commit;
            }
        } else if sql.starts_with(b"ROLLBACK") {
            self.block = Block::None;
        }
        Meaning::Round
    }
}

/// Purse's SQL has its key words in capitals.
fn writes(sql: &[u8]) -> bool {
    [b"INSERT", b"UPDATE", b"DELETE"]
        .iter()
        .any(|word| sql.windows(word.len()).any(|at| at == *word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + LENGTH_BYTES).unwrap();
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    fn heard(session: &mut Session, kind: u8, body: &[u8]) -> Meaning {
        let mut messages = Messages::of_server();
        messages.buffer().extend_from_slice(&message(kind, body));
        session.hear(&messages.next().unwrap())
    }

    #[test]
    fn messages_come_whole_however_they_are_cut() {
        let mut messages = Messages::of_client();
        let startup = [&8_u32.to_be_bytes()[..], &196_608_u32.to_be_bytes()].concat();
        let all = [startup, message(b'Q', b"BEGIN\0"), message(b'S', b"")].concat();
        let mut kinds = Vec::new();
        for byte in all {
            messages.buffer().extend_from_slice(&[byte]);
            kinds.extend(messages.next().map(|message| message.kind));
        }
        assert_eq!(kinds, [0, b'Q', b'S']);
    }

    #[test]
    fn the_commit_of_a_block_is_its_last_word() {
        let mut session = Session::default();
        heard(&mut session, b'P', b"s0\0INSERT INTO a VALUES ($1)\0\0\0");
        assert_eq!(heard(&mut session, b'Q', b"BEGIN\0"), Meaning::Round);
        heard(&mut session, b'B', b"\0s0\0");
        assert_eq!(heard(&mut session, b'E', b"\0\0\0\0\0"), Meaning::Part);
        assert_eq!(heard(&mut session, b'S', b""), Meaning::Round);
        assert_eq!(heard(&mut session, b'Q', b"COMMIT\0"), Meaning::Commit);
    }

    #[test]
    fn outside_of_a_block_a_statement_that_writes_commits_itself() {
        let mut session = Session::default();
        heard(&mut session, b'P', b"s0\0INSERT INTO a VALUES ($1)\0\0\0");
        heard(&mut session, b'P', b"s1\0SELECT 1\0\0\0");
        assert_eq!(heard(&mut session, b'S', b""), Meaning::Round);
        for (statement, meaning) in [("s0", Meaning::Commit), ("s1", Meaning::Round)] {
            heard(&mut session, b'B', format!("\0{statement}\0").as_bytes());
            heard(&mut session, b'E', b"\0\0\0\0\0");
            assert_eq!(heard(&mut session, b'S', b""), meaning, "{statement}");
        }
    }

    #[test]
    fn what_only_reads_commits_nothing() {
        let mut session = Session::default();
        heard(&mut session, b'Q', b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY\0");
        assert_eq!(heard(&mut session, b'Q', b"COMMIT\0"), Meaning::Round);
        heard(&mut session, b'Q', b"BEGIN\0");
        heard(&mut session, b'Q', b"ROLLBACK\0");
        assert_eq!(heard(&mut session, b'Q', b"COMMIT\0"), Meaning::Round);
    }
}
