//! What a node does to accounts and claims, as values; the facade says what may be.

use crate::arguments::{Quantity, Whole};
use crate::drafts::Cbor;
use crate::errors::raise;
use crate::payload_in::write_payload;
use millpond_facade::{self as facade, Bytes, FacadeError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// One thing to be done to an account or a claim.
#[pyclass(frozen, module = "millpond._native")]
pub(crate) struct Deed {
    pub(crate) inner: facade::Deed,
}

fn deed(inner: facade::Deed) -> Deed {
    Deed { inner }
}

/// A note as bytes; None is no note.
pub(crate) fn note_of(note: Option<&Bound<'_, PyAny>>) -> PyResult<Option<Bytes>> {
    let Some(note) = note else { return Ok(None) };
    if let Ok(encoded) = note.cast::<Cbor>() {
        return Ok(Some(encoded.get().data.to_vec().into()));
    }
    let bytes = write_payload(note)?.finish();
    let bytes = bytes.map_err(|error| raise(note.py(), FacadeError::from(error)))?;
    Ok(Some(bytes.into()))
}

#[pymethods]
impl Deed {
    #[staticmethod]
    fn account_create(
        name: String,
        id: Option<String>,
        amount: Quantity,
        floor: Quantity,
        shares: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Deed> {
        let mut given = Vec::new();
        for (node, share) in shares.into_iter().flatten() {
            given.push((node.extract::<String>()?, share.extract::<Whole>()?.0));
        }
        let (amount, floor, shares) = (amount.0, floor.0, given);
        Ok(deed(facade::Deed::AccountCreate { name, id, amount, floor, shares }))
    }

    #[staticmethod]
    fn account_deposit(
        name: String,
        id: Option<String>,
        amount: Whole,
        note: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Deed> {
        let (amount, note) = (amount.0, note_of(note)?);
        Ok(deed(facade::Deed::AccountDeposit { name, id, amount, note }))
    }

    #[staticmethod]
    fn account_withdraw(
        name: String,
        id: Option<String>,
        amount: Whole,
        note: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Deed> {
        let (amount, note) = (amount.0, note_of(note)?);
        Ok(deed(facade::Deed::AccountWithdraw { name, id, amount, note }))
    }

    #[staticmethod]
    fn account_grant(name: String, id: Option<String>, to: String, amount: Whole) -> Deed {
        deed(facade::Deed::AccountGrant { name, id, to, amount: amount.0 })
    }

    #[staticmethod]
    fn account_request(name: String, id: Option<String>, amount: Whole) -> Deed {
        deed(facade::Deed::AccountRequest { name, id, amount: amount.0 })
    }

    #[staticmethod]
    fn account_recover(name: String, id: Option<String>, is_alone: bool) -> Deed {
        deed(facade::Deed::AccountRecover { name, id, is_alone })
    }

    #[staticmethod]
    fn claim_create(what: String, holder: Option<String>) -> Deed {
        deed(facade::Deed::ClaimCreate { what, holder })
    }

    #[staticmethod]
    fn claim_transfer(what: String, to: String) -> Deed {
        deed(facade::Deed::ClaimTransfer { what, to })
    }

    #[staticmethod]
    fn claim_request(what: String, is_wanted: bool) -> Deed {
        deed(facade::Deed::ClaimRequest { what, is_wanted })
    }

    #[staticmethod]
    fn claim_recover(what: String, is_alone: bool) -> Deed {
        deed(facade::Deed::ClaimRecover { what, is_alone })
    }

    #[staticmethod]
    fn doing_release(what: String) -> Deed {
        deed(facade::Deed::DoingRelease { what })
    }
}
