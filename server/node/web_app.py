"""Builds the web application of a node: the endpoints of all rooms, the websocket, event streams and pages."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from aiohttp import web

from server.abuse.routes import GroupRoutes
from server.catalog.brand_editing import BrandEditingRoutes
from server.catalog.brands import KnownBrands, fetch_logo
from server.catalog.calendars import fetch_calendar_of_artist
from server.catalog.entry_editing import EntryEditingRoutes
from server.catalog.merging import MergingRoutes
from server.catalog.removed_songs import RemovedSongRoutes
from server.catalog.routes import CatalogRoutes
from server.catalog.set_order import SetOrderRoutes
from server.catalog.setlist_editing import SetlistEditingRoutes
from server.catalog.show_control import ShowControlRoutes
from server.catalog.show_making import ShowMakingRoutes
from server.catalog.shows import find_show_id
from server.catalog.sitemap import count_parts, list_part
from server.catalog.song_lists import SongListRoutes
from server.catalog.suggestions import SuggestionRoutes
from server.clock import utc_now
from server.game.crews import CrewRoutes
from server.game.leaderboards import LeaderboardRoutes
from server.game.own_picks import OwnPickRoutes
from server.game.picks import PickRoutes
from server.game.tours import TourRoutes
from server.insight.routes import InsightRoutes
from server.ledger.routes import LedgerRoutes
from server.live.connection_limits import ConnectionLimits
from server.live.routes import LiveRoutes
from server.live.services import Services
from server.live.sse import EVENTS, EventRoutes
from server.live.subscriptions import SubscriptionRoutes
from server.mail.pages import PageBrand
from server.mail.routes import MailRoutes
from server.moderation.audit import AuditRoutes
from server.moderation.decisions import DecisionRoutes
from server.moderation.queue import QueueRoutes
from server.moderation.reports import ReportRoutes
from server.node.process_limits import files_max
from server.node.rooms import Rooms
from server.people.accounts import AccountRoutes
from server.people.authenticator import Authenticator
from server.people.calendars import CalendarRoutes, fetch_calendar_of_user
from server.people.earned_tickets import EarnedTicketRoutes
from server.people.erasure import ErasureRoutes
from server.people.follows import FollowRoutes
from server.people.keys import KeyRoutes
from server.people.oidc import Claims
from server.people.own_shows import OwnShowRoutes
from server.people.profiles import ProfileRoutes
from server.people.reviews import ReviewRoutes
from server.people.session_routes import SessionRoutes
from server.people.sessions import TOKEN_TTL_S, sign_in_with_claims, verify_token
from server.people.sign_in_codes import SignInCodeRoutes
from server.people.tickets import TicketRoutes
from server.protocol.calendars import CalendarShow
from server.protocol.http.endpoints import BODY_BYTES_MAX, Endpoint, ReadKind
from server.protocol.http.parameters import Reference
from server.protocol.identity import Identity
from server.settings import data_folder
from server.store.turns import Turns
from server.voting.routes import VotingRoutes
from server.voting.rules import ballot_json
from server.web.asyncapi import asyncapi_endpoint
from server.web.base_url import BaseUrl, make_base_url
from server.web.brands import BrandFiles
from server.web.calendars import Calendars
from server.web.cards import Cards
from server.web.errors import answer_errors
from server.web.heads import SUBJECTS
from server.web.identity import AddressOf, counted, make_address_of, make_identify, make_is_secure
from server.web.listening import (
    handed_over,
    keep_files_for_probes,
    limit_forwarded,
    make_end_connections,
    most_of_address,
    upgraded,
)
from server.web.openapi import document_endpoint
from server.web.origins import check_origins
from server.web.pages import Pages, answer_failed_pages, answer_unknown_paths, make_add_headers
from server.web.request_log import add_request_id, observe_requests
from server.web.routing import routes_of, take_turns
from server.web.sitemaps import Sitemaps
from server.web.static_files import StaticFiles, files_of
from server.web.subject_pages import SubjectPages
from server.web.walls import WallPages
from server.webhooks.routes import WebhookRoutes
from server.webpush.routes import WebpushRoutes

# How many reads of a kind run at once on a node. Those of anyone together have the pool of reads, those of signed-in users
# half of the pool of requests.
READS_AT_ONCE: dict[ReadKind, int] = {"catalogue": 3, "search": 2, "statistics": 1, "own": 4}
# A request of a client may load up to CHANNELS_PER_REQUEST_MAX channels.
LOADS_AT_ONCE = 2
LOADS_WAITING_MAX = 5_000


def endpoints_of(rooms: Rooms) -> list[Endpoint]:
    """Every endpoint of the rooms, and the two documents that describe them."""
    settings, clock = rooms.settings, rooms.clock
    requests, reads, owner = rooms.databases.requests, rooms.databases.reads, rooms.databases.owner
    change_rules = rooms.rule_changes
    sessions = SessionRoutes(
        requests,
        clock,
        settings.secret,
        rooms.ended_sessions,
        installation=rooms.installation,
        count=rooms.rate_limits.count_session,
        why_banned=rooms.access_monitor.why_connection_refused,
    )
    endpoints = [
        *CatalogRoutes(reads, clock, rooms.results_access.why_hidden).endpoints(),
        *ShowControlRoutes(owner, clock, change_rules).endpoints(),
        *ShowMakingRoutes(owner, clock).endpoints(),
        *SetOrderRoutes(owner, change_rules).endpoints(),
        *SetlistEditingRoutes(owner, change_rules).endpoints(),
        *EntryEditingRoutes(owner).endpoints(),
        *SongListRoutes(owner).endpoints(),
        *BrandEditingRoutes(owner, rooms.known_brands).endpoints(),
        *MergingRoutes(owner, change_rules).endpoints(),
        *RemovedSongRoutes(owner, rooms.maintenance.reopen_shards).endpoints(),
        *SuggestionRoutes(
            requests,
            owner,
            clock,
            change_rules,
            pending_max=settings.limits.suggestions_waiting,
        ).endpoints(),
        *VotingRoutes(rooms.intake, rooms.find_show, rooms.rate_limits.count_request).endpoints(),
        *PickRoutes(requests, rooms.intake.submit_pick, rooms.show_boards).endpoints(),
        *LedgerRoutes(requests, rooms.find_show).endpoints(),
        *LeaderboardRoutes(rooms.databases.channels, requests, rooms.show_boards, clock).endpoints(),
        *OwnPickRoutes(requests).endpoints(),
        *CrewRoutes(requests).endpoints(),
        *TourRoutes(reads, owner).endpoints(),
        *sessions.endpoints(),
        *SignInCodeRoutes(requests, settings.secret, rooms.rate_limits, sessions).endpoints(),
        *InsightRoutes(reads, clock, rooms.results_access.why_hidden).endpoints(),
        *rooms.maintenance.endpoints(),
        *rooms.overviews.endpoints(),
        *rooms.catalogue_sync.endpoints(),
        *SubscriptionRoutes(owner, rooms.fleet).endpoints(),
        *ProfileRoutes(requests).endpoints(),
        *FollowRoutes(requests, rooms.marks).endpoints(),
        *OwnShowRoutes(requests).endpoints(),
        *ReviewRoutes(requests).endpoints(),
        *ReportRoutes(requests).endpoints(),
        *QueueRoutes(requests).endpoints(),
        *GroupRoutes(requests, rooms.intake.submit_decision, rooms.find_show).endpoints(),
        *DecisionRoutes(requests).endpoints(),
        *AuditRoutes(requests).endpoints(),
        *AccountRoutes(requests, clock).endpoints(),
        *KeyRoutes(requests).endpoints(),
        *CalendarRoutes(requests, settings.secret).endpoints(),
        *WebhookRoutes(owner, clock, rooms.poster).endpoints(),
        *WebpushRoutes(owner, rooms.webpush_key).endpoints(),
        *rooms.exports.endpoints(),
        *ErasureRoutes(
            requests,
            rooms.hot_erasure,
            rooms.sockets.hang_up_user,
            rooms.rate_limits.count_erasure,
        ).endpoints(),
        *EarnedTicketRoutes(
            requests,
            clock,
            settings.secret,
            rooms.tallies.grant_ticket,
            rooms.rate_limits,
            find_show=rooms.find_show,
        ).endpoints(),
        *TicketRoutes(
            requests,
            settings.secret,
            rooms.tallies.grant_ticket,
            rooms.rate_limits,
            rooms.find_show,
            change_rules=change_rules,
        ).endpoints(),
        *MailRoutes(
            requests,
            owner,
            clock,
            settings.secret,
            rooms.rate_limits.count_confirmation,
            brand_of=partial(_brand_of, rooms.known_brands),
            can_send=settings.smtp_url is not None,
        ).endpoints(),
        asyncapi_endpoint(),
    ]
    return [*endpoints, document_endpoint([*endpoints, EVENTS])]


def web_app(rooms: Rooms, endpoints: list[Endpoint]) -> web.Application:
    """Builds the application that serves everything."""
    settings = rooms.settings
    authenticator = _authenticator(rooms)
    of_address = most_of_address(settings.limits.connections_per_address, files_max())
    services = Services(
        hub=rooms.hub,
        connection_limits=ConnectionLimits(replace(settings.limits, connections_per_address=of_address)),
        clock=rooms.clock,
        node=rooms.name,
        installation=rooms.installation,
        submit=rooms.intake.submit,
        mark=rooms.marks.submit,
        authenticate=authenticator.identify,
        why_banned=rooms.access_monitor.why_connection_refused,
        count_entry=rooms.rate_limits.count_entry,
        why_hidden=rooms.results_access.why_hidden,
        load_turns=Turns("channels", LOADS_AT_ONCE, waiting_max=LOADS_WAITING_MAX),
        ballot_json=ballot_json,
    )
    files = files_of(data_folder("static"))

    def is_brand_host(host: str) -> bool:
        return rooms.known_brands.of_host(host) is not None

    address_of = make_address_of(settings.trusted_proxies, rooms.fleet.note_untrusted_proxy)
    app = web.Application(
        middlewares=[
            observe_requests(settings.trusted_proxies, rooms.request_counts, rooms.traces),
            answer_failed_pages(files, rooms.known_brands),
            answer_errors,
            keep_files_for_probes,
            limit_forwarded(address_of, settings.limits, files_max()),
            answer_unknown_paths(files, rooms.known_brands),
            check_origins(settings.origins, is_brand_host),
        ],
        client_max_size=BODY_BYTES_MAX,
    )
    is_secure = make_is_secure(settings.trusted_proxies)
    app.on_response_prepare.extend(
        [make_add_headers(is_secure), add_request_id, make_end_connections(lambda: rooms.is_leaving)]
    )
    identify = make_identify(authenticator.identify, is_secure)

    def count_anonymous(request: web.Request) -> None:
        services.connection_limits.count_anonymous(address_of(request), rooms.clock.monotonic_s())

    counted_identify = counted(identify, rooms.rate_limits.count_request, count_anonymous)
    turns = {kind: Turns(kind, at_once_max) for kind, at_once_max in READS_AT_ONCE.items()}
    endpoints = [take_turns(endpoint, turns) for endpoint in endpoints]
    app.add_routes(
        routes_of(endpoints, counted_identify, TOKEN_TTL_S, address_of, is_secure, body_s=settings.limits.body_s)
    )
    live = LiveRoutes(services, rooms.sockets, identify, address_of, link_of=upgraded, handed_over=handed_over)
    app.add_routes(live.routes())
    find_show = partial(find_show_id, rooms.databases.channels)
    app.add_routes(EventRoutes(services, rooms.sockets, identify, address_of, find_show).routes())
    base_url = make_base_url(settings.public_url or next(iter(settings.origins), None), is_secure, is_brand_host)
    handlers = {endpoint.path: endpoint.handler for endpoint in endpoints if endpoint.method == "GET"}
    get_show = handlers["/api/shows/{show}"]
    of_subjects = {subject: handlers[f"/api/{subject}s/{{{subject}}}"] for subject in SUBJECTS}
    plain_card = (data_folder("static") / "card.png").read_bytes()
    app.add_routes(Cards(of_subjects, address_of, rooms.clock, rooms.known_brands, plain_card).routes())
    app.add_routes(_sitemaps(rooms, turns["catalogue"], address_of, base_url).routes())
    app.add_routes(_calendars(rooms, files, turns["catalogue"], address_of, base_url).routes())
    pages = Pages(
        files,
        base_url,
        rooms.known_brands,
        rooms.why_not_ready,
        why_paused=rooms.why_paused,
        metrics_token=settings.metrics_token,
        has_worker=settings.service_worker == "on",
    )
    app.add_routes(pages.routes())
    subject_pages = SubjectPages(
        files,
        of_subjects,
        identify,
        address_of,
        base_url,
        known_brands=rooms.known_brands,
    )
    app.add_routes(subject_pages.routes())
    app.add_routes(BrandFiles(rooms.known_brands, partial(fetch_logo, rooms.databases.requests)).routes())
    walls = WallPages(files, get_show, address_of, base_url, rooms.known_brands, embed_origins=settings.embed_origins)
    app.add_routes(walls.routes())
    return app


def _sitemaps(rooms: Rooms, turns: Turns, address_of: AddressOf, base_url: BaseUrl) -> Sitemaps:
    reads = rooms.databases.reads
    return Sitemaps(partial(count_parts, reads), partial(list_part, reads), turns, address_of, base_url)


def _calendars(rooms: Rooms, files: StaticFiles, turns: Turns, address_of: AddressOf, base_url: BaseUrl) -> Calendars:
    databases, secret, clock = rooms.databases, rooms.settings.secret, rooms.clock

    async def of_artist(reference: Reference) -> tuple[str, list[CalendarShow]]:
        return await fetch_calendar_of_artist(databases.reads, reference, now=utc_now(clock))

    async def of_token(token: str) -> list[CalendarShow]:
        return await fetch_calendar_of_user(databases.requests, secret, token, now=utc_now(clock))

    return Calendars(of_artist, of_token, turns, address_of, base_url, files=files, installation=rooms.installation)


def _brand_of(known: KnownBrands, host: str) -> PageBrand | None:
    """The brand of a host, as the pages behind the links of emails need it."""
    brand = known.of_host(host)
    return None if brand is None else PageBrand(brand.host, brand.name, f"/brand/{brand.revision}/brand.css")


def _authenticator(rooms: Rooms) -> Authenticator:
    requests, owner = rooms.databases.requests, rooms.databases.owner

    def verify(token: str) -> Identity:
        return verify_token(rooms.settings.secret, token)

    async def sign_in(claims: Claims) -> Identity:
        return await sign_in_with_claims(requests, owner, claims, rooms.clock.now_ms())

    return Authenticator(
        requests, rooms.clock, verify, has_ended=rooms.ended_sessions.holds, oidc=rooms.oidc, sign_in=sign_in
    )
