//! 32 random bytes that all processes share through Redis.

use crate::error::StoreError;
use crate::nodes::Nodes;

/// What is there. Where there is nothing, `own` becomes it; if several processes do so at once, all get the same. Says whether
/// there was nothing.
pub(super) async fn read_or_set(
    nodes: &Nodes,
    key: &str,
    own: &[u8; 32],
) -> Result<([u8; 32], bool), StoreError> {
    // It is nearly always there, and Redis refuses to set anything while it is out of memory.
    if let Some(found) = read(nodes, key).await? {
        return Ok((found, false));
    }
    nodes.set_if_absent(key, own).await?;
    let found = read(nodes, key).await?.map(|found| (found, true));
    found.ok_or_else(|| StoreError::corrupt(key, "nothing is there, a moment after it was written"))
}

/// What is there.
pub(super) async fn read(nodes: &Nodes, key: &str) -> Result<Option<[u8; 32]>, StoreError> {
    let bytes: Option<Vec<u8>> = nodes.query(key, &redis::Cmd::get(key)).await?;
    let bytes = bytes.map(|bytes| {
        <[u8; 32]>::try_from(bytes).map_err(|bytes| {
            let reason = format!("{} bytes where a key has 32", bytes.len());
            StoreError::corrupt(key, &reason)
        })
    });
    bytes.transpose()
}
