//! What a service tells of itself.

/// All of it, at one time.
pub(crate) struct Metrics(String);

impl Metrics {
    /// Of the service with that operators' port.
    pub(crate) async fn of(admin: &str) -> anyhow::Result<Self> {
        let answer = reqwest::get(format!("http://{admin}/metrics")).await?;
        Ok(Self(answer.error_for_status()?.text().await?))
    }

    /// The sum of all samples of that name whose labels have this among them; 0 where there is none.
    pub(crate) fn sum(&self, name: &str, label: &str) -> f64 {
        let of = |line: &str| -> Option<f64> {
            let rest = line.strip_prefix(name)?;
            let is_asked = rest.starts_with(['{', ' ']) && rest.contains(label);
            let value = rest.rsplit(' ').next().filter(|_| is_asked)?;
            value.parse().ok()
        };
        self.0.lines().filter_map(of).sum()
    }
}

/// The sum of all samples of that name; 0 where there is none.
pub(crate) async fn sum(admin: &str, name: &str) -> anyhow::Result<f64> {
    Ok(Metrics::of(admin).await?.sum(name, ""))
}
