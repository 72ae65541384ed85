# ライブのページ。

# ── 状態

status-upcoming = 開催予定
status-live = 開催中
status-finished = 終了
status-cancelled = 中止

voting-open = 投票受付中
voting-locked = 投票一時停止中
voting-closed = 投票終了
voting-final = 最終結果

# ── 接続

connection-live = オンライン
connection-polling = 遅延あり
connection-reconnecting = 接続中
connection-offline = オフライン
connection-reason =
    { $reason ->
        [missing] このブラウザはリアルタイム接続に対応していません。
        [blocked] このネットワークではリアルタイム接続が使えません。
        [overloaded] このネットワークからのリアルタイム接続が上限に達しています。
       *[rate_limited] ここからの接続が短時間に多すぎました。
    }{ $works ->
        [yes] 票数は数秒ごとに更新され、あなたの票も送信されます。
       *[no] ページは自動的に再接続します。
    }
connection-origin = サーバーがこのページのアドレスを認識していません。運営者が直すまで、ここでは投票できません。
connection-lost = 接続が切れました。あなたの票は保存されています。
connection-again = 再接続しました。

# ── ページの先頭

# {"\u200B"}: in headings, where a line may end in browsers that do not know Japanese phrases (Safari)
show-loading = ライブを{"\u200B"}読み込んでいます
show-missing = ライブが{"\u200B"}見つかりません
show-failed = ライブを{"\u200B"}読み込めませんでした
show-missing-why = アドレスが違うか、ライブが削除されました。ライブの一覧から探してください。
all-shows = ライブ一覧
try-again = もう一度試す
reload = 再読み込み
bill-with = 共演：{ $names }
show-when = { $date } { $time }
show-when-here = 現在地では{ $here }に始まります。
show-title = { $artist }、{ $venue } | { $service }
going = 参加します
share = 共有
share-copied = リンクをコピーしました。
share-by-hand = リンクをコピーしてください：{ $address }
follow = フォロー
follow-artist = フォロー：{ $artist }
followers =
    { $count ->
       *[other] フォロワー{ $count }人
    }
attendance-going = { $going }人が参加
attendance-watching = { $watching }人が閲覧中
attendance-both = { $going }人が参加、{ $watching }人が閲覧中
sources = 情報源

# ── 投票の時間

just-now = たった今
window-open = 投票を受け付けています
window-open-until = 投票受付中：{ $when }まで（{ $in }）
window-closing = まもなく投票を締め切ります
window-opens = 投票開始：{ $when }（{ $in }）
window-paused = 主催者が投票を一時停止しています
window-final = 結果が確定しました
window-cancelled = このライブは中止になりました
window-closed = 投票は終了しました
window-closed-since = 投票終了：{ $when }（{ $in }）
state-opens = 開始：{ $in }
state-closes = 締切：{ $in }
state-closing = 締切間近

# ── 投票のしかたと、できない理由

how-to-vote = 矢印をタップすると投票、もう一度タップすると取り消しです。
how-to-vote-budget = 矢印をタップすると投票、もう一度タップすると取り消しです。マイナス投票にも1票使います。
why-early = 投票開始までお待ちください。このページは自動的に更新されます。
why-locked = これまでの票はすべて保存されています。再開後にまた投票できます。
why-closed = 投票の受付は終わりました。これから票数の最終確認をします。
why-final = 投票は終了し、票数の確認も済みました。
why-cancelled = 中止になったライブには投票できません。
hidden-live = 票数はまもなく表示されます。
hidden-after-vote = 票数は投票するまで表示されません。1曲に投票すると見られます。
hidden-after-closing = 票数は結果が確定するまで表示されません。

# ── 票数

votes =
    { $count ->
       *[other] { $count }票
    }
votes-unit =
    { $count ->
       *[other] 票
    }
votes-left =
    { $count ->
       *[other] 残り{ $count }票
    }
votes-left-of =
    { $count ->
       *[other] 残り{ $left }票（全{ $count }票）
    }
votes-waiting =
    { $count ->
       *[other] { $count }票が送信待ちです。送信されるまでこの端末に保存されます。
    }
vote-waiting = 送信待ち
vote-pending = 送信中
vote-accepted = 受付済み、保存中
vote-committed = あなたの票（集計済み）
voted =
    { $choice ->
        [up] プラス投票しました：{ $title }。
        [down] マイナス投票しました：{ $title }。
       *[none] 投票を取り消しました：{ $title }。
    }
voted-later = { voted }再接続後に送信されます。

# ── 曲

order-votes = 票数順
order-setlist = 曲順
order-label = 曲の並び順
setlist-predicted = 予想セットリスト
setlist-actual = 演奏された曲
no-songs = まだ曲がありません。
set-title =
    { $kind ->
        [encore] アンコール
        [alternate] 別セット
       *[main] 本編
    }
set-title-numbered =
    { $kind ->
        [encore] アンコール{ $number }
        [alternate] 別セット{ $number }
       *[main] 第{ $number }部
    }
set-title-of =
    { $kind ->
        [encore] { $artist }、アンコール
       *[alternate] { $artist }、別セット
    }
set-title-of-numbered =
    { $kind ->
        [encore] { $artist }、アンコール{ $number }
        [alternate] { $artist }、別セット{ $number }
       *[main] { $artist }、第{ $number }部
    }
song-tape = 音源
song-tape-of = { $artist }の音源
song-cover = { $artist }のカバー
song-medley = メドレー
song-playing = 演奏中
song-playing-title = 演奏中：{ $title }
song-played-at = { $time }に演奏
song-was-played = 演奏されました。
played-so-far = ここまでの演奏曲 ({ $count })
song-unforeseen = 予想外
song-counts = プラス{ $up }票、マイナス{ $down }票。
vote-up-on = プラス投票：{ $title }
vote-down-on = マイナス投票：{ $title }
vote-up-on-counted = プラス投票：{ $title }、{ $votes }
vote-down-on-counted = マイナス投票：{ $title }、{ $votes }
your-vote-on = あなたの票：{ $title }
leader =
    { $count ->
       *[other] 1位は{ $title }、{ $count }票です。
    }
leader-shared =
    { $count ->
       *[other] { $title }とほか{ $count }曲が同票で1位です。
    }
announced = { $state }。

# ── ファンの予想の的中

accuracy-none =
    { $played ->
       *[other] { $played }曲中、的中した曲はありませんでした
    }
accuracy-all =
    { $played ->
       *[other] { $played }曲すべてが的中しました
    }
accuracy-some =
    { $played ->
       *[other] { $played }曲中{ $hits }曲が的中しました
    }
accuracy-one-pick =
    { $hits ->
        [0] 予想した1曲は演奏されませんでした。
       *[other] 予想した1曲が演奏されました。
    }
accuracy-picks =
    { $hits ->
       *[other] 予想した{ $predicted }曲のうち{ $hits }曲が演奏されました。
    }
accuracy-before = { $picks }前回のライブのセットリストでは{ $played }曲中{ $before }曲でした。

# ── ほかのサイトへのリンク

source-prediction-spotify = Spotify の人気曲からの予想
source-prediction = { $site } のセットリストからの予想
source-listen = Spotify で聴く
source-artist = アーティストについて：{ $site }
source-tickets = チケット：{ $site }
source-played = 演奏された曲：{ $site }
source-show = ライブについて：{ $site }

# ── リクエスト

suggest-heading = 聴きたい曲がありませんか？
suggest-lead = リクエストしてください。モデレーターが承認すると、みんなが投票できます。
suggest-title = 曲名
suggest = リクエスト
suggest-pending = 確認待ち
suggest-approved = 追加されました
suggest-declined = 見送り
suggest-thanks = ありがとうございます。「{ $title }」はモデレーターが確認します。

# ── チケットで投票するライブ

ticket-heading-code = このライブの投票にはチケットが必要です
ticket-heading-work = このライブの投票には端末での計算が必要です
ticket-heading-mail = このライブはメール確認済みのファンが投票できます
ticket-why-work = 初めて投票する前に、端末が数秒間計算します。偽アカウントの大量作成に手間をかけさせるためのもので、完全には防げません。
ticket-why-mail = リンク付きのメールが届きます。リンクを開いてからここに戻り、「確認しました」を押してください。
ticket-start-work = 始める
ticket-start-mail = 確認しました
ticket-label = チケットのコード
ticket-use = このコードを使う
ticket-missing = チケットのコードを入力してください。
ticket-offered = リンクに含まれていたコードです。「このコードを使う」を押してください。
ticket-confirm-email = メールアドレスを確認する
ticket-working = 端末で計算しています。数秒かかります。
ticket-cannot-work = このページは HTTPS ではないため、ブラウザで計算できません。

# ── 接続がないとき

counts-from-offline = オフラインです。{ $time }時点の票数です。
counts-from = サーバーに接続できません。{ $time }時点の票数です。
kept-heading = この端末に保存されたライブ
kept-line = { $date }・{ $time }時点の票数
