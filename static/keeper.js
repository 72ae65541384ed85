/** Keeps the show on screen for moments without a network, and finds it again in them. */
import { deleteKeptShows, keepShow, keptShows } from "./kept-shows.js";
import { Owner } from "./owner.js";
import { isConnected } from "./selectors.js";
import { bodyOf } from "./show-state.js";

/**
 * @import { ClientEvent } from "./client.js"
 * @import { Action, State } from "./types.js"
 */

/** @param {{storage: Storage|null, getState(): State, dispatch(action: Action): void}} parts */
export function createKeeper({ storage, getState, dispatch }) {
  const ownerName = () => new Owner(storage).name;

  /** Keeps the show as it is now. Counts that are not of now were kept when they were. */
  async function keep() {
    const { show, countsFrom_ms, isKept } = getState();
    if (show?.phase !== "ready" || countsFrom_ms !== null || isKept) return;
    const { isBallotKnown, ballot, remaining } = show;
    await keepShow(ownerName(), bodyOf(show), isBallotKnown ? { ballot, remaining } : null, Date.now());
  }

  function countsStand() {
    dispatch({ type: "counts_from", at_ms: Date.now() });
  }

  return {
    keep,
    /** A show was loaded; its counts stand until there is a connection. */
    loaded() {
      keep();
      if (!isConnected(getState().connection)) countsStand();
    },
    /** @param {ClientEvent} event  before it changes the state */
    observe(event) {
      if (event.type === "connection" && isConnected(getState().connection) && !isConnected(event.status)) {
        keep();
        countsStand();
      }
      // The client changes the owner after this event.
      if (event.type === "hello") setTimeout(() => deleteKeptShows(ownerName()), 0);
    },
    /** @param {string} ref  an id or a slug */
    async find(ref) {
      return (await keptShows(ownerName())).find(({ show }) => show.slug === ref || String(show.id) === ref) ?? null;
    },
    list: () => keptShows(ownerName()),
  };
}
