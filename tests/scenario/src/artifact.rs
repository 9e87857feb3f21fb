//! The contracts' compiled code, read at run time from the packages that npm fetched.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use alloy::primitives::{Bytes, hex};
use alloy::sol_types::SolValue;
use serde::Deserialize;

use crate::error::{Error, Result};

/// The folder that holds `node_modules`: `SCENARIO_CONTRACTS`, else `tests/contracts` of this workspace.
pub fn contracts_dir() -> PathBuf {
    env::var_os("SCENARIO_CONTRACTS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts"), PathBuf::from)
}

/// Which package an artifact is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Package {
    /// `@tokenysolutions/t-rex`.
    TRex,
    /// `@onchain-id/solidity`.
    OnchainId,
}

impl Package {
    fn artifacts(self) -> &'static str {
        match self {
            Self::TRex => "node_modules/@tokenysolutions/t-rex/artifacts",
            Self::OnchainId => "node_modules/@onchain-id/solidity/artifacts",
        }
    }
}

/// The compiled code of the contracts.
#[derive(Clone, Debug)]
pub struct Artifacts {
    root: PathBuf,
}

#[derive(Deserialize)]
struct Artifact {
    bytecode: String,
    #[serde(rename = "deployedBytecode")]
    deployed_bytecode: String,
}

impl Artifacts {
    /// The artifacts below [`contracts_dir`].
    ///
    /// # Errors
    /// If one of the packages is not there.
    pub fn open() -> Result<Self> {
        Self::open_in(&contracts_dir())
    }

    /// The artifacts below a folder that holds `node_modules`.
    ///
    /// # Errors
    /// If one of the packages is not there.
    pub fn open_in(root: &Path) -> Result<Self> {
        for package in [Package::TRex, Package::OnchainId] {
            let path = root.join(package.artifacts());
            if !path.is_dir() {
                return Err(Error::Artifact { path, reason: "no such folder".to_owned() });
            }
        }
        Ok(Self { root: root.to_owned() })
    }

    /// The creation code of a contract with its encoded constructor arguments; `source` is the path of its source in
    /// the package without `.sol`, as `contracts/token/Token`.
    ///
    /// # Errors
    /// If the artifact is missing or has no code.
    pub fn creation<T: SolValue>(&self, package: Package, source: &str, arguments: &T) -> Result<Bytes>
    where
        for<'a> <T::SolType as alloy::sol_types::SolType>::Token<'a>: alloy::sol_types::abi::TokenSeq<'a>,
    {
        let mut code = self.read(package, source, |artifact| artifact.bytecode)?;
        code.extend(arguments.abi_encode_params());
        Ok(code.into())
    }

    /// The code of a contract as it stands on the chain, without immutable values filled in.
    ///
    /// # Errors
    /// If the artifact is missing or has no code.
    pub fn deployed(&self, package: Package, source: &str) -> Result<Bytes> {
        self.read(package, source, |artifact| artifact.deployed_bytecode).map(Bytes::from)
    }

    fn read(&self, package: Package, source: &str, pick: fn(Artifact) -> String) -> Result<Vec<u8>> {
        let name = source.rsplit('/').next().unwrap_or(source);
        let path = self.root.join(package.artifacts()).join(format!("{source}.sol/{name}.json"));
        let broken = |reason: String| Error::Artifact { path: path.clone(), reason };
        let text = fs::read_to_string(&path).map_err(|error| broken(error.to_string()))?;
        let artifact: Artifact = serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?;
        let code = hex::decode(pick(artifact)).map_err(|error| broken(error.to_string()))?;
        if code.is_empty() {
            return Err(broken("has no code (an interface or an abstract contract)".to_owned()));
        }
        Ok(code)
    }
}
