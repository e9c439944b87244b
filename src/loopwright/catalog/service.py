"""The rules of the catalog: what applying a spec changes, and how the snapshot is built."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from loopwright.access import AccessStore, MasterSecret
from loopwright.catalog.prices import NANO, Price, PriceBook, PublicPrices
from loopwright.catalog.schemas import EndpointSpec, PriceSpec, ProviderSpec
from loopwright.catalog.snapshot import Endpoint, EndpointRelease, Provider, Snapshot
from loopwright.catalog.specs import SpecKind
from loopwright.catalog.store import CatalogStore
from loopwright.foundation.clock import Clock, iso
from loopwright.foundation.database import Connection
from loopwright.foundation.errors import Unavailable
from loopwright.foundation.identity import Principal
from loopwright.foundation.ids import new_id

_log = logging.getLogger(__name__)
MASK = "**********"


class CatalogService:
    """Providers, endpoints with their releases, and prices."""

    def __init__(self, store: CatalogStore, secret: MasterSecret, clock: Clock) -> None:
        self._store = store
        self._secret = secret
        self._clock = clock

    def spec_kinds(self) -> dict[str, SpecKind]:
        """The kinds of spec the catalog owns."""
        return {
            "Provider": SpecKind(ProviderSpec, self._provider_now, self._store_provider),
            "Endpoint": SpecKind(EndpointSpec, self._endpoint_now, self._store_endpoint),
            "Price": SpecKind(PriceSpec, self._price_now, self._store_price),
        }

    def providers(self, principal: Principal) -> list[dict[str, Any]]:
        """Providers of the caller's team, without secrets."""
        rows = self._store.listed(principal.team_id, "providers")
        return [
            {**row["spec"], "has_key": bool(row["sealed_key"]), "updated_at": iso(row["updated_us"])} for row in rows
        ]

    def endpoints(self, principal: Principal) -> list[dict[str, Any]]:
        """Endpoints of the caller's team with their releases and stages."""
        rows = self._store.listed(principal.team_id, "endpoints")
        versions = self._store.listed(principal.team_id, "releases")
        stages = self._store.listed(principal.team_id, "aliases")
        return [
            {
                "name": row["name"],
                "description": row["description"],
                "releases": [
                    {"version": v["version"], "spec": v["spec"], "created_at": iso(v["created_us"])}
                    for v in versions
                    if v["endpoint_id"] == row["id"]
                ],
                "aliases": {s["alias"]: s["version"] for s in stages if s["endpoint_id"] == row["id"]},
                "created_at": iso(row["created_us"]),
                "updated_at": iso(row["updated_us"]),
            }
            for row in rows
        ]

    def prices(self, principal: Principal) -> list[dict[str, Any]]:
        """The team's own prices."""
        return [dict(row["spec"]) for row in self._store.listed(principal.team_id, "prices")]

    def snapshot(self, access: AccessStore, builtin_models: tuple[str, ...], public: PublicPrices | None) -> Snapshot:
        """The whole catalogue as of now. Raises Unavailable when the database is away.

        A provider whose key cannot be opened is listed with the reason, so that it alone is not served.
        """
        epoch = self._store.database.epoch()
        keys = {
            row["key_hash"]: Principal(row["team_id"], row["id"], row["role"], row["id"])
            for row in access.active_keys()
        }
        rows = self._store.everything()
        own = {(row["team_id"], row["model"]): _price(row["spec"]) for row in rows["prices"]}
        found = {(row["team_id"], row["name"]): self._offered(row) for row in rows["providers"]}
        return Snapshot(epoch, keys, found, _endpoints(rows), PriceBook(own, public), builtin_models)

    def _offered(self, row: Any) -> Provider:
        try:
            return self._open_provider(row)
        except Unavailable as error:
            _log.warning("the provider %s of %s is not served: %s", row["name"], row["team_id"], error)
            return replace(self._open_provider({**row, "sealed_key": ""}), fault=error.message)

    def _open_provider(self, row: Any) -> Provider:
        spec = row["spec"]
        key = self._secret.open(row["sealed_key"], row["team_id"], _sealed_name(spec)) if row["sealed_key"] else ""
        return Provider(
            name=row["name"],
            dialect=spec["dialect"],
            base_url=spec["base_url"],
            api_key=key,
            models=tuple(spec["models"]),
            headers=tuple(spec["headers"].items()),
        )

    def _provider_now(self, c: Connection, principal: Principal, spec: ProviderSpec) -> dict[str, Any] | None:
        row = self._store.named(c, "providers", principal.team_id, spec.name)
        if row is None:
            return None
        now = dict(row["spec"])
        given = spec.api_key.get_secret_value()
        if not given and _sealed_name(now) == _sealed_name(spec.model_dump()):
            # Left out means kept.
            now["api_key"] = ""
        elif given and now["api_key"] and not self._holds(row, given):
            now["api_key"] = "another key"
        return now

    def _holds(self, row: Any, key: str) -> bool:
        try:
            return self._open_provider(row).api_key == key
        except Unavailable:
            # Sealed by a master secret that is gone; applying the key again is the way out.
            return False

    def _store_provider(self, c: Connection, principal: Principal, spec: ProviderSpec) -> None:
        row = self._store.named(c, "providers", principal.team_id, spec.name)
        kept = spec.model_dump(mode="json")
        secret = spec.api_key.get_secret_value()
        sealed = self._secret.seal(secret, principal.team_id, _sealed_name(kept)) if secret else ""
        # A key is bound to the host it was given for: applying another host without a key drops it.
        if row and not secret and _sealed_name(row["spec"]) == _sealed_name(kept):
            sealed = row["sealed_key"]
        now = self._clock.now_us()
        self._store.put_provider(
            c,
            {
                "id": new_id("prov"),
                "team_id": principal.team_id,
                "name": spec.name,
                "spec": {**kept, "api_key": MASK if sealed else ""},
                "sealed_key": sealed,
                "created_us": now,
                "updated_us": now,
            },
        )

    def _endpoint_now(self, c: Connection, principal: Principal, spec: EndpointSpec) -> dict[str, Any] | None:
        row = self._store.named(c, "endpoints", principal.team_id, spec.name)
        release = self._store.newest_release(c, row["id"]) if row else None
        return dict(release["spec"]) if release else None

    def _store_endpoint(self, c: Connection, principal: Principal, spec: EndpointSpec) -> None:
        now = self._clock.now_us()
        row = self._store.named(c, "endpoints", principal.team_id, spec.name)
        endpoint_id = row["id"] if row else new_id("ep")
        if row is None:
            kept = {"id": endpoint_id, "team_id": principal.team_id, "name": spec.name, "description": spec.description}
            self._store.add_endpoint(c, {**kept, "created_us": now, "updated_us": now})
        else:
            self._store.describe_endpoint(c, endpoint_id, spec.description, now)
        newest = self._store.newest_release(c, endpoint_id)
        version = newest["version"] + 1 if newest else 1
        owned = {"endpoint_id": endpoint_id, "team_id": principal.team_id, "version": version}
        release = {**owned, "spec": spec.model_dump(mode="json"), "created_by": principal.subject, "created_us": now}
        self._store.add_release(c, release)
        for alias in spec.aliases:
            self._store.put_alias(c, {**owned, "alias": alias, "updated_us": now})

    def _price_now(self, c: Connection, principal: Principal, spec: PriceSpec) -> dict[str, Any] | None:
        row = self._store.price(c, principal.team_id, spec.name)
        return dict(row["spec"]) if row else None

    def _store_price(self, c: Connection, principal: Principal, spec: PriceSpec) -> None:
        row = {"team_id": principal.team_id, "model": spec.name, "spec": spec.model_dump(mode="json")}
        self._store.put_price(c, {**row, "updated_us": self._clock.now_us()})


def _endpoints(rows: Mapping[str, Any]) -> dict[tuple[str, str], Endpoint]:
    found = {}
    for row in rows["endpoints"]:
        own = [r for r in rows["releases"] if r["endpoint_id"] == row["id"]]
        if own:
            found[row["team_id"], row["name"]] = Endpoint(
                name=row["name"],
                description=row["description"],
                created_us=row["created_us"],
                releases={r["version"]: EndpointRelease(row["name"], r["version"], r["spec"]) for r in own},
                aliases={a["alias"]: a["version"] for a in rows["aliases"] if a["endpoint_id"] == row["id"]},
            )
    return found


def _price(spec: Mapping[str, Any]) -> Price:
    cached = spec.get("cached_per_million")
    return Price(
        input=round(spec["input_per_million"] * NANO),
        output=round(spec["output_per_million"] * NANO),
        cached=None if cached is None else round(cached * NANO),
    )


def _sealed_name(spec: Mapping[str, Any]) -> str:
    parts = urlsplit(spec["base_url"])
    return f"provider:{spec['name']}@{parts.scheme}://{parts.netloc}"
