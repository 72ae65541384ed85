# アーティスト、会場、曲のページ、ヘッダーの検索、自分のライブ。

artist-title = { $artist }：ライブ、曲、投票 | { $service }
venue-title = { $venue }（{ $city }）：ライブと口コミ | { $service }
song-title = { $title } / { $artist } | { $service }
show-count =
    { $count ->
       *[other] ライブ{ $count }件
    }
next-shows = 今後のライブ
last-shows = 最近のライブ
no-next-shows = 発表されたライブはありません。アーティストをフォローすると、メールでお知らせします。
no-next-shows-here = この会場で発表されたライブはありません。
show-all-of = { $count }件すべて表示

# ── アーティスト

foresight-heading = ファンの予想の的中率
foresight-fans = ファン
foresight-before = 前回のライブ
foresight-each = ライブごとの結果
foresight-lead =
    { $count ->
        [1] ファンは直近のライブで演奏された曲の{ $share }を予想できました。
       *[other] ファンは直近{ $count }件のライブで演奏された曲の{ $share }を予想できました。
    }
foresight-lead-before = { $lead }前回のライブの曲をそのまま挙げた場合は{ $before }です。
foreseen-of =
    { $played ->
       *[other] { $played }曲中{ $hits }曲が的中
    }
rotation-heading =
    { $count ->
        [1] 直近のライブで演奏された曲
       *[other] 直近{ $count }件のライブで演奏された曲
    }
rotation-times = { $count }件中{ $played }件
songs-heading = 曲
songs-by-votes = 票数順の曲
song-votes-spoken = プラス{ $up }票、マイナス{ $down }票
plays-none = まだ演奏されていません
plays-predicted =
    { $count ->
       *[other] まだ演奏されていません（{ $count }件のライブで予想）
    }
plays =
    { $count ->
       *[other] 演奏{ $count }回
    }
plays-last =
    { $count ->
       *[other] 演奏{ $count }回、最後は{ $date }
    }

# ── 会場

venue-holds =
    { $count ->
       *[other] 収容人数{ $count }人
    }
venue-map = 地図
venue-map-where = （OpenStreetMap を新しいタブで開きます）
rating-none = まだ口コミがありません
rating =
    { $count ->
       *[other] 5点中{ $rating }点、口コミ{ $count }件
    }
stars =
    { $count ->
       *[other] 星{ $count }つ
    }
reviews-heading = 口コミ
reviews-none = この会場の口コミはまだありません。
review-own = あなたの口コミ
review-were-you = { $venue }に行きましたか？
review-label = ほかの人に伝えたいこと（空欄でもかまいません）
review-send = 送信
review-change = 変更する
review-delete = 削除
review-pending = ありがとうございます。モデレーターの確認後に公開されます。
review-approved = ありがとうございます。口コミがこのページに載りました。
review-rejected = モデレーターに承認されませんでした。内容を変えて、もう一度送信してください。
review-deleted = 口コミを削除しました。
review-by = { $name }さん、{ $date }
review-by-fan = ファン、{ $date }

# ── 曲

song-by = アーティスト：
song-votes-heading = 投票
song-who-plays = 演奏するアーティスト
song-in-setlists = 載っているセットリスト
song-in-none = この曲が載ったセットリストはまだありません。
song-played-as = { $number }曲目に演奏
song-predicted = 予想
song-predicted-votes =
    { $count ->
       *[other] 予想、{ $count }票
    }
song-votes = ファンの投票：プラス{ $up }票、マイナス{ $down }票。
song-votes-none = まだ誰も投票していません。

# ── 読み込み中と、見つからないとき

artist-loading = アーティストを{"\u200B"}読み込んでいます
artist-missing = アーティストが{"\u200B"}見つかりません
artist-failed = アーティストを{"\u200B"}読み込めませんでした
artist-missing-why = アドレスが違うか、アーティストが削除されました。名前で検索してください。
venue-loading = 会場を{"\u200B"}読み込んでいます
venue-missing = 会場が{"\u200B"}見つかりません
venue-failed = 会場を{"\u200B"}読み込めませんでした
venue-missing-why = アドレスが違うか、会場が削除されました。名前で検索してください。
song-loading = 曲を{"\u200B"}読み込んでいます
song-missing = 曲が{"\u200B"}見つかりません
song-failed = 曲を{"\u200B"}読み込めませんでした
song-missing-why = アドレスが違うか、曲が削除されました。曲名で検索してください。

# ── ヘッダーの検索

find-label = すべて
find-words = アーティスト、曲、会場、ライブを検索
find-hint = アーティスト、曲、会場
find-artists = アーティスト
find-songs = 曲
find-venues = 会場
find-shows = ライブ
find-results =
    { $count ->
       *[other] { $count }件見つかりました
    }
find-all = 「{ $words }」を含むライブ一覧
find-nothing = 「{ $words }」を含むものはありません。つづりを確認するか、1語で試してください。
find-too-much = 検索語が長すぎます。もっと短くしてください。

# ── 最初のページ

own-heading = あなたのライブ
own-going = 参加予定
own-votes =
    { $count ->
       *[other] { $count }票投票済み
    }
own-following = フォロー中
near-me = 近くのライブ
near-none = 近くに条件に合うライブがありません。
near-asked = 位置情報の使用をブラウザが確認しています。
near-denied = ブラウザの位置情報が使えません。設定でこのページに許可するか、都市名で検索してください。
near-unknown = 現在地がわかりませんでした。もう一度試すか、都市名で検索してください。
near-found = 現在地から 100 km 以内。
near-here = 1 km 未満
near-away = { $count } km 先

# ── 演奏後のライブと、投票の推移

foreseen-heading = 予想と実際の演奏
foreseen-fans = ファンの予想
foreseen-played = 演奏された曲
foreseen-was-played = 、演奏されました
foreseen-not-played = 、演奏されませんでした
foreseen-was-foreseen = 、予想どおり
foreseen-not-foreseen = 、予想外
history-heading = 投票の推移
history-label = 変更された票を含めて{ $votes }。{ $step }ごとの最多は{ $most }票（{ $when }から）。
history-songs-heading = 上位の曲の推移
history-songs-lead = 賛成票から反対票を引いた数（{ $first }から{ $last }まで）。すべての線は同じ目盛りです。
history-songs-song = 曲
history-hours =
    { $count ->
       *[other] { $count }時間
    }
history-days =
    { $count ->
       *[other] { $count }日
    }

# ── Whether the own votes are in the public ledger

receipt-heading = 自分の票を確かめる
receipt-right = あなたの票はこの公演の公開台帳に入っています。ブラウザー自身が計算して確かめました。
receipt-unsigned = あなたの票はこの公演の公開台帳に入っています。このブラウザーは署名を確かめられません。新しいブラウザーなら確かめられます。
receipt-missing = あなたの票のうち{ $count }票はまだ台帳に入っていません。少し待ってから開き直してください。
receipt-wrong = この公演の台帳に問題があります。運営に知らせ、このページの画像を残してください。
receipt-none-yet = この公演の台帳はまだありません。最初の票から1秒以内に始まります。
receipt-insecure = 票の確認はhttpsのページでだけできます。
receipt-vote =
    { $choice ->
        [up] { $title }への賛成票は{ $count }件中{ $number }件目です。
       *[down] { $title }への反対票は{ $count }件中{ $number }件目です。
    }
receipt-vote-wrong = { $title }への票を台帳で確かめられません。
