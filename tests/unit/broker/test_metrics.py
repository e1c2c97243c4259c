"""What a scrape of the broker shows, and to whom."""

from pathlib import Path

from farthing.broker import metrics
from tests.unit.broker.desk import Desk, with_desk
from tests.unit.broker.test_api import Callers, over_http

ROOT = Path(__file__).parents[3]


def figures(page: bytes) -> dict[str, float]:
    lines = [line for line in page.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def test_figures_are_those_of_the_books_and_name_no_account(tmp_path: Path) -> None:
    async def talk(desk: Desk) -> None:
        counts = metrics.Counts()
        for payer in ("alice", "bob"):
            await desk.open(payer)
            await desk.top_up(payer, 1_000, f"bank-{payer}")
        await desk.coupon("alice", 300, "k1")
        counts.answers["/settle", 200] += 3
        page = metrics.page(desk.books, counts)
        found = figures(page)
        assert found['farthing_broker_balance_micro{kind="asset/bank"}'] == 2_000
        assert found['farthing_broker_balance_micro{kind="liability/payer"}'] == 1_700
        assert found['farthing_broker_outstanding_micro{scheme="coupon"}'] == 300
        assert found['farthing_broker_answers_total{route="/settle",status="200"}'] == 3
        assert found["farthing_broker_entries"] == 3
        assert found["farthing_broker_reservations_open"] == 0
        assert found["farthing_broker_errands_open"] == 0
        assert found["farthing_broker_published_seconds"] == 0
        desk.now_s += 5_000
        late = figures(metrics.page(desk.books, counts))
        assert late["farthing_broker_overdue_seconds"] > 0
        for secret in (b"alice", b"bob", desk.operator_token.encode()):
            assert secret not in page

    with_desk(tmp_path, talk)


def test_a_scrape_needs_a_token_for_it_and_counts_what_was_answered(tmp_path: Path) -> None:
    async def talk(callers: Callers) -> None:
        for who in ("nobody", "operator", "alice pay", "v7 redeem"):
            await callers.get(who, "/metrics", 403)
        bearer = {"authorization": f"Bearer {callers.tokens['scraper']}"}
        answer = await callers.client.get("/metrics", headers=bearer)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/plain")
        found = figures(answer.content)
        assert found['farthing_broker_answers_total{route="/metrics",status="403"}'] == 4
        assert found['farthing_broker_answers_total{route="other",status="201"}'] == 2
        refused = await callers.client.get("/payouts", headers=bearer)
        assert refused.status_code == 403, "it reads figures and nothing else"

    over_http(tmp_path, talk)


def test_every_figure_is_documented(tmp_path: Path) -> None:
    reference = (ROOT / "docs" / "reference" / "metrics.md").read_text()

    async def talk(desk: Desk) -> None:
        page = metrics.page(desk.books, metrics.Counts()).decode()
        names = [line.split()[2] for line in page.splitlines() if line.startswith("# HELP")]
        assert len(names) > 5
        for name in names:
            assert f"`{name}`" in reference, name

    with_desk(tmp_path, talk)
