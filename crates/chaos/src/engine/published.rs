//! What the results service shows.

/// What the results service shows of a poll.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) status: String,
    pub(crate) votes: Vec<u64>,
}

impl Published {
    pub(crate) fn read(json: &serde_json::Value) -> Option<Self> {
        let candidates = json["candidates"].as_array()?;
        Some(Self {
            status: json["status"].as_str()?.to_owned(),
            votes: candidates
                .iter()
                .map(|candidate| candidate["votes"].as_u64())
                .collect::<Option<_>>()?,
        })
    }
}
