/** What the first page asks the server for: the list of shows, also near the visitor, their own shows, the names of trending ones. */
import { fetchOwnShows, fetchShows, fetchTrending, RequestError } from "./api.js";

/** @import { Action, KeptShow, State, StatusFilter } from "./types.js" */

// More than are shown: the next shows in the ranking then have a name already.
const TRENDING_KNOWN_COUNT = 12;
const PLACE_TIMEOUT_MS = 15_000;
const PLACE_AGE_MAX_MS = 600_000;
const PLACE_DIGITS = 2; // about a kilometre: the server need not know more

/**
 * @param {() => State} read
 * @param {(action: Action) => void} dispatch
 * @param {() => Promise<KeptShow[]>} listKept  the shows that this browser has kept
 */
export function createListLoading(read, dispatch, listKept) {
  /** @param {{query?: string, status?: StatusFilter, near?: string|null, isMore?: boolean}} wanted */
  async function load({ query = read().list.query, status = read().list.status, near = read().list.near, isMore = false }) {
    const { next } = read().list;
    const request = read().list.request + 1;
    dispatch({ type: "list_loading", request, query, status, near, isMore });
    try {
      const { items, next: cursor } = await fetchShows({ query, status, near, cursor: isMore ? next : null });
      dispatch({ type: "list_loaded", request, items, next: cursor });
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      dispatch({ type: "list_failed", request, error, kept: await listKept() });
    }
  }

  return {
    load,

    /**
     * @param {string} query
     * @param {StatusFilter} status
     */
    search(query, status) {
      const { list } = read();
      if (query === list.query && status === list.status) return;
      const address = new URLSearchParams(Object.entries({ q: query, status }).filter(([, value]) => value)).toString();
      history.replaceState(history.state, "", address ? `/?${address}` : "/");
      load({ query, status });
    },

    /** Lists shows near the visitor, whose browser asks them first; or everywhere again. */
    near() {
      if (read().list.near !== null) {
        load({ near: null });
        return;
      }
      dispatch({ type: "locating" });
      navigator.geolocation.getCurrentPosition(
        ({ coords }) => load({ near: `${coords.latitude.toFixed(PLACE_DIGITS)},${coords.longitude.toFixed(PLACE_DIGITS)}` }),
        ({ code, PERMISSION_DENIED }) => dispatch({ type: "not_located", why: code === PERMISSION_DENIED ? "denied" : "unknown" }),
        { timeout: PLACE_TIMEOUT_MS, maximumAge: PLACE_AGE_MAX_MS },
      );
    },

    /** Loads the names of trending shows; the channel has only their ids. */
    async trending() {
      try {
        const { items } = await fetchTrending(TRENDING_KNOWN_COUNT);
        dispatch({ type: "trending_loaded", items });
      } catch (error) {
        if (!(error instanceof RequestError)) throw error;
        dispatch({ type: "trending_failed" });
      }
    },

    /** Loads the shows that concern the visitor; nothing for one without an account. */
    async own() {
      if (!read().user) return;
      try {
        const { items } = await fetchOwnShows();
        dispatch({ type: "own_loaded", items });
      } catch (error) {
        // The list below has these shows too.
        if (!(error instanceof RequestError)) throw error;
      }
    },
  };
}
