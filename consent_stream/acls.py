"""The declared ACLs and a cluster: read, compare, put right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from consent_stream.settings import Settings
from consent_stream.topics import TIMEOUT, TopicAdmin
from consent_stream.wire.acls import Rule

ANY_HOST = "*"


class Found(NamedTuple):
    """A permission, or with deny=True a prohibition, as the cluster has it. host: `*` is any."""

    rule: Rule
    host: str = ANY_HOST
    deny: bool = False


class Difference(NamedTuple):
    """What a principal lacks, and what it has beside its role."""

    missing: tuple[Rule, ...]
    beyond: tuple[Found, ...]


def compare(wanted: Iterable[Rule], found: Sequence[Found]) -> Difference:
    """A permission for one host alone, or a prohibition, is none of the declared ones."""
    wanted = set(wanted)
    there = {each.rule for each in found if each.host == ANY_HOST and not each.deny}
    beyond = [each for each in found if each.rule not in wanted or each.host != ANY_HOST or each.deny]
    return Difference(tuple(sorted(wanted - there)), tuple(sorted(beyond)))


class AclAdmin:
    """Admin calls on the ACLs of one principal, `User:NAME`."""

    def __init__(self, settings: Settings, principal: str) -> None:
        self._principal, self._link = principal, TopicAdmin(settings)
        self._admin = AdminClient({**settings.librdkafka(), "log_level": 0})

    def read(self) -> list[Found]:
        """All ACLs that name the principal. Errors: Unreachable; KafkaException where Kafka refuses, or has none."""
        self._link.reach()
        every = AclBindingFilter(
            ResourceType.ANY, None, ResourcePatternType.ANY, self._principal, None, AclOperation.ANY,
            AclPermissionType.ANY,
        )  # fmt: skip
        return [_found(each) for each in self._admin.describe_acls(every, request_timeout=TIMEOUT).result()]

    def allow(self, rules: Sequence[Rule]) -> None:
        """Add permissions. Errors: KafkaException when the broker refuses one."""
        if rules:
            for future in self._admin.create_acls([self._binding(Found(each)) for each in rules]).values():
                future.result()

    def remove(self, found: Sequence[Found]) -> None:
        """Take these away. Errors: KafkaException when the broker refuses one."""
        if found:
            filters = [self._filter(each) for each in found]
            for future in self._admin.delete_acls(filters, request_timeout=TIMEOUT).values():
                future.result()

    def _binding(self, found: Found) -> AclBinding:
        return AclBinding(*self._parts(found))

    def _filter(self, found: Found) -> AclBindingFilter:
        return AclBindingFilter(*self._parts(found))

    def _parts(self, found: Found) -> tuple[object, ...]:
        rule, permission = found.rule, AclPermissionType.DENY if found.deny else AclPermissionType.ALLOW
        return (
            ResourceType[rule.resource.upper()], rule.name, ResourcePatternType[rule.pattern.upper()],
            self._principal, found.host, AclOperation[rule.operation.upper()], permission,
        )  # fmt: skip


def _found(acl: AclBinding) -> Found:
    parts = (acl.restype, acl.resource_pattern_type, acl.operation)
    resource, pattern, operation = (each.name.lower() for each in parts)
    rule = Rule(resource, acl.name, pattern, operation)
    return Found(rule, acl.host, acl.permission_type is AclPermissionType.DENY)
