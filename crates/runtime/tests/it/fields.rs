//! The names of a settings type's fields, as files and variables spell them: serde knows.

use serde::de::value::Error;
use serde::de::{Deserialize, Deserializer, Error as _, Visitor};
use vote_runtime::Settings;
use vote_runtime::settings::{
    AccessSettings, AdminSettings, CurrentSettings, GatewaysSettings, HttpSettings, JudgeSettings,
    LimitsSettings, LogSettings, OverlaySettings, PollsSettings, ProofSettings, ReceiptSettings,
    ShutdownSettings, SiteSettings, SnapshotSettings, SpillSettings, StreamSettings,
    SuspicionSettings, VotersSettings,
};
use vote_store::{LaneConfig, RedisConfig};

/// Is told which fields it should give, and gives none.
struct Asked<'f>(&'f mut Vec<&'static str>);

impl<'de> Deserializer<'de> for Asked<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Error> {
        Err(Error::custom("not a struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(fields);
        Err(Error::custom("only asked"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

fn of<T: for<'de> Deserialize<'de>>() -> Vec<&'static str> {
    let mut fields = Vec::new();
    assert!(T::deserialize(Asked(&mut fields)).is_err());
    fields
}

/// The dotted names of all settings, in the order of the types.
pub(crate) fn of_settings() -> Vec<String> {
    let sections = [
        ("redis", of::<RedisConfig>()),
        ("http", of::<HttpSettings>()),
        ("admin", of::<AdminSettings>()),
        ("log", of::<LogSettings>()),
        ("commit", of::<LaneConfig>()),
        ("limits", of::<LimitsSettings>()),
        ("suspicion", of::<SuspicionSettings>()),
        ("judge", of::<JudgeSettings>()),
        ("polls", of::<PollsSettings>()),
        ("snapshot", of::<SnapshotSettings>()),
        ("stream", of::<StreamSettings>()),
        ("receipts", of::<ReceiptSettings>()),
        ("proof", of::<ProofSettings>()),
        ("access", of::<AccessSettings>()),
        ("current", of::<CurrentSettings>()),
        ("spill", of::<SpillSettings>()),
        ("overlay", of::<OverlaySettings>()),
        ("site", of::<SiteSettings>()),
        ("voters", of::<VotersSettings>()),
        ("gateways", of::<GatewaysSettings>()),
        ("shutdown", of::<ShutdownSettings>()),
    ];
    assert_eq!(of::<Settings>(), sections.each_ref().map(|(name, _)| *name));
    let named = |(section, fields): (&str, Vec<&str>)| -> Vec<String> {
        let names = fields.iter().map(|field| format!("{section}.{field}"));
        names.collect()
    };
    sections.into_iter().flat_map(named).collect()
}
