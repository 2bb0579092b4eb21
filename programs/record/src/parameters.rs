//! What a caller hands to a program and is answered: the program's parameters as one JSON object.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::conversion::Conversion;
use crate::decode::decode;
use crate::encode::{encode, initial};
use crate::field::{Field, Kind, Layout};
use crate::json::{Json, NameOrder, Shape};
use crate::layout::{json_name, overlays};
use crate::record::canonical_of;
use crate::unfit::{DoesNotFit, Misfit};

/// The most bytes of all parameters of a program.
pub const BYTES_MAX: u64 = 4 << 20;
/// The most parameters of a program; GnuCOBOL has fewer.
pub const PARAMETERS_MAX: usize = 252;

/// One parameter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parameter {
    /// What it is called in JSON.
    pub json: String,
    /// Who fills it.
    pub direction: Direction,
    /// Its record.
    pub layout: Layout,
}

impl Parameter {
    /// As long as nobody has said more of it: by its own name, filled by both.
    #[must_use]
    pub fn of(layout: Layout) -> Self {
        let json = layout.root.name.as_deref().map(json_name).unwrap_or_default();
        Self { json, direction: Direction::InOut, layout }
    }
}

/// Who fills a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direction {
    /// The caller; it is not in the answer.
    #[serde(rename = "in")]
    In,
    /// The program; the caller does not give it, and it begins with spaces and zeros.
    #[serde(rename = "out")]
    Out,
    /// First the caller, then the program.
    #[serde(rename = "io")]
    InOut,
}

impl Direction {
    fn is_given(self) -> bool {
        match self {
            Self::In | Self::InOut => true,
            Self::Out => false,
        }
    }

    fn is_answered(self) -> bool {
        match self {
            Self::Out | Self::InOut => true,
            Self::In => false,
        }
    }
}

/// The parameters of a program, in the order in which it is called with them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters {
    list: Vec<Parameter>,
    conversion: Conversion,
    /// The record of each as nobody has filled it, made once.
    initial: Vec<Arc<[u8]>>,
}

/// Why parameters cannot be handed over. Numbered for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "refused", content = "detail", rename_all = "kebab-case")]
pub enum Improper {
    /// 1 More than [`PARAMETERS_MAX`].
    Many,
    /// 2 More bytes than [`BYTES_MAX`] in all.
    Large {
        /// How many.
        bytes: u64,
    },
    /// 3 Two have one name in JSON.
    SameName {
        /// The name.
        name: String,
    },
    /// 4 One has no name in JSON.
    NoName,
    /// 5 What is chosen is no item with bytes that have another name.
    NotChosen {
        /// Its name in the source.
        name: String,
    },
    /// 6 Two that are chosen have the same bytes.
    BothChosen {
        /// The later one's name in the source.
        name: String,
    },
}

/// What a body says, in sixteen bytes: equal for two bodies that hand a program of this name the
/// same values, however they are written. Rules and store have types of their own for these bytes:
/// neither makes them, and this crate uses nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Content(pub [u8; 16]);

/// The first bytes that are hashed: another way of making the digest is another one.
const CONTENT_VERSION: &[u8] = b"tsugi content 1\n";

impl Parameters {
    /// Parameters and how they become JSON.
    ///
    /// # Errors
    /// What would make a body ambiguous, or too large.
    pub fn new(list: Vec<Parameter>, conversion: Conversion) -> Result<Self, Improper> {
        if list.len() > PARAMETERS_MAX {
            return Err(Improper::Many);
        }
        let bytes = list.iter().map(|parameter| u64::from(parameter.layout.bytes())).sum();
        if bytes > BYTES_MAX {
            return Err(Improper::Large { bytes });
        }
        let mut names = BTreeSet::new();
        for parameter in &list {
            if parameter.json.is_empty() {
                return Err(Improper::NoName);
            }
            if !names.insert(parameter.json.as_str()) {
                return Err(Improper::SameName { name: parameter.json.clone() });
            }
        }
        let mut left: BTreeSet<&str> = conversion.chosen.iter().map(String::as_str).collect();
        for parameter in &list {
            choose(&parameter.layout.root, &conversion.chosen, &mut left)?;
        }
        if let Some(name) = left.first() {
            return Err(Improper::NotChosen { name: (*name).to_owned() });
        }
        let initial = list.iter().map(|one| initial(&one.layout, &conversion).into()).collect();
        Ok(Self { list, conversion, initial })
    }

    /// The parameters.
    #[must_use]
    pub fn list(&self) -> &[Parameter] {
        &self.list
    }

    /// The record of each parameter: what a body says, and spaces and zeros for what only the
    /// program fills.
    ///
    /// # Errors
    /// The body is no JSON object, or the first value that does not fit.
    pub fn records(&self, body: &[u8]) -> Result<Vec<Vec<u8>>, DoesNotFit> {
        Ok(self.given(body)?.iter().map(|record| record.to_vec()).collect())
    }

    /// The same, to be shared: what only the program fills is the same bytes for every body.
    ///
    /// # Errors
    /// As for [`Parameters::records`].
    pub fn given(&self, body: &[u8]) -> Result<Vec<Arc<[u8]>>, DoesNotFit> {
        let body = Json::read(body)?;
        let Json::Object(members) = &body else {
            let why = Misfit::Kind { expected: Shape::Object, found: body.shape() };
            return Err(DoesNotFit::new(why));
        };
        let given: BTreeMap<&str, &Json> =
            members.iter().map(|(name, value)| (name.as_str(), value)).collect();
        for name in given.keys() {
            let why = match self.list.iter().find(|parameter| parameter.json == **name) {
                None => Misfit::Unknown { name: (*name).to_owned() },
                Some(parameter) if !parameter.direction.is_given() => Misfit::OnlyAnswered,
                Some(_) => continue,
            };
            return Err(DoesNotFit::new(why).within(name));
        }
        let each = self.list.iter().zip(&self.initial);
        each.map(|(parameter, initial)| self.record(parameter, initial, &given)).collect()
    }

    fn record(
        &self,
        parameter: &Parameter,
        initial: &Arc<[u8]>,
        given: &BTreeMap<&str, &Json>,
    ) -> Result<Arc<[u8]>, DoesNotFit> {
        let layout = &parameter.layout;
        let may_be_missing = !parameter.direction.is_given() || self.conversion.fills_up();
        match given.get(parameter.json.as_str()) {
            Some(value) => encode(layout, value, &self.conversion)
                .map(Arc::from)
                .map_err(|error| error.within(&parameter.json)),
            None if may_be_missing => Ok(initial.clone()),
            None => Err(DoesNotFit::new(Misfit::Missing).within(&parameter.json)),
        }
    }

    /// The answer: what the records say of the parameters that the program fills.
    ///
    /// # Errors
    /// The first item whose bytes are no value of it, or a record that is not there.
    pub fn answer(&self, records: &[impl AsRef<[u8]>]) -> Result<String, DoesNotFit> {
        let mut members = Vec::new();
        for (at, parameter) in self.list.iter().enumerate() {
            if parameter.direction.is_answered() {
                let value = record_at(records, at)
                    .and_then(|record| decode(&parameter.layout, record, &self.conversion))
                    .map_err(|error| error.within(&parameter.json))?;
                members.push((parameter.json.clone(), value));
            }
        }
        Ok(Json::Object(members).written(NameOrder::Record))
    }

    /// How many bytes of the records of a body are its own: those of what its caller fills.
    #[must_use]
    pub fn own_bytes(&self) -> u64 {
        let given = self.list.iter().filter(|parameter| parameter.direction.is_given());
        given.map(|parameter| u64::from(parameter.layout.bytes())).sum()
    }

    /// What the records of a body say to a program of this name.
    ///
    /// # Errors
    /// As for [`Parameters::answer`]; never for records that [`Parameters::records`] has made.
    pub fn content(
        &self,
        service: &str,
        records: &[impl AsRef<[u8]>],
    ) -> Result<Content, DoesNotFit> {
        let mut values = BTreeMap::new();
        for (at, parameter) in self.list.iter().enumerate() {
            if parameter.direction.is_given() {
                let value = record_at(records, at)
                    .and_then(|record| canonical_of(&parameter.layout, record, &self.conversion))
                    .map_err(|error| error.within(&parameter.json))?;
                values.insert(parameter.json.as_str(), value);
            }
        }
        let mut hash = Sha256::new();
        hash.update(CONTENT_VERSION);
        let mut part = |text: &str| {
            hash.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(text);
        };
        part(service);
        for (name, value) in &values {
            part(name);
            part(value);
        }
        let mut out = [0; 16];
        out.copy_from_slice(&hash.finalize()[..16]);
        Ok(Content(out))
    }
}

fn record_at(records: &[impl AsRef<[u8]>], at: usize) -> Result<&[u8], DoesNotFit> {
    records.get(at).map(AsRef::as_ref).ok_or_else(|| DoesNotFit::new(Misfit::Missing))
}

/// Takes what is chosen in an item from what is left to be found.
fn choose(
    field: &Field,
    chosen: &BTreeSet<String>,
    left: &mut BTreeSet<&str>,
) -> Result<(), Improper> {
    let Kind::Group(fields) = &field.kind else { return Ok(()) };
    for same in overlays(fields).filter(|same| same.len() > 1) {
        let named = same.iter().filter_map(|field| field.name.as_ref());
        for (at, name) in named.filter(|name| chosen.contains(*name)).enumerate() {
            left.remove(name.as_str());
            if at > 0 {
                return Err(Improper::BothChosen { name: name.clone() });
            }
        }
    }
    fields.iter().try_for_each(|field| choose(field, chosen, left))
}
