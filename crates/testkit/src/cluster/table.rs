//! What a node says about the cluster in `CLUSTER NODES`.

use std::ops::RangeInclusive;

use crate::ask::ask;
use crate::redis_server::RedisServer;

/// One node, as another or itself sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: String,
    flags: Vec<String>,
    /// The master of a replica.
    pub(super) master: Option<String>,
    pub(super) epoch: u64,
    pub(super) slots: Vec<RangeInclusive<u16>>,
}

impl Row {
    pub(super) fn is(&self, flag: &str) -> bool {
        self.flags.iter().any(|each| each == flag)
    }

    pub(super) fn serves(&self, slot: u16) -> bool {
        self.is("master") && self.slots.iter().any(|range| range.contains(&slot))
    }

    /// `<id> <address> <flags> <master> <ping> <pong> <epoch> <link> <slot or range> …`
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let id = words.next()?.to_owned();
        let flags = words.nth(1)?.split(',').map(str::to_owned).collect();
        let master = words.next().filter(|&master| master != "-");
        let epoch = words.nth(2)?.parse().ok()?;
        // A slot on the move is `[slot->-id]`: it belongs where it was.
        let slots = words.skip(1).filter(|word| !word.starts_with('['));
        Some(Self {
            id,
            flags,
            master: master.map(str::to_owned),
            epoch,
            slots: slots.map(range).collect::<Option<_>>()?,
        })
    }
}

fn range(word: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

/// All that one node knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table(pub(super) Vec<Row>);

impl Table {
    pub(super) async fn of(server: &RedisServer) -> Result<Self, String> {
        let text: String = ask(server, &["CLUSTER", "NODES"]).await?;
        Self::parse(&text).ok_or(format!("CLUSTER NODES can't be read: {text}"))
    }

    fn parse(text: &str) -> Option<Self> {
        let rows = text.lines().filter(|line| !line.is_empty());
        rows.map(Row::parse).collect::<Option<_>>().map(Self)
    }

    /// The row of the node that was asked.
    pub(super) fn myself(&self) -> Result<&Row, String> {
        let mine = self.0.iter().find(|row| row.is("myself"));
        mine.ok_or_else(|| "a node doesn't know itself".to_owned())
    }

    pub(super) fn row(&self, id: &str) -> Option<&Row> {
        self.0.iter().find(|row| row.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn a_table_is_read_with_ranges_single_slots_and_moves() {
        let text = "\
            aa 127.0.0.1:1@2 myself,master - 0 1 7 connected 0-10 12 [12->-bb]\n\
            bb 127.0.0.1:3@4,host master,fail? - 0 1 8 connected\n\
            cc 127.0.0.1:5@6 slave aa 0 1 7 disconnected\n";
        let table = Table::parse(text).expect("a table");
        let mine = table.myself().expect("a row of its own");
        assert_eq!((mine.id.as_str(), mine.epoch), ("aa", 7));
        assert!(mine.serves(10) && mine.serves(12) && !mine.serves(11));
        assert!(table.row("bb").expect("a row").is("fail?"));
        assert_eq!(
            table.row("cc").expect("a row").master.as_deref(),
            Some("aa")
        );
    }
}
