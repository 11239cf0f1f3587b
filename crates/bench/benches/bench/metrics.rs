//! What a service tells of itself.

/// The sum of all samples of that name; 0 where there is none.
pub(crate) async fn sum(admin: &str, name: &str) -> anyhow::Result<f64> {
    let text = reqwest::get(format!("http://{admin}/metrics"))
        .await?
        .text()
        .await?;
    let of = |line: &str| -> Option<f64> {
        let rest = line.strip_prefix(name)?;
        let is_whole = rest.starts_with(['{', ' ']);
        let value = rest.rsplit(' ').next().filter(|_| is_whole)?;
        value.parse().ok()
    };
    Ok(text.lines().filter_map(of).sum())
}
