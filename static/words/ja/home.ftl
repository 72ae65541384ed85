# ライブの一覧、全ページ共通の部分、スクリプトのないページ。

language-label = 言語

skip = 本文へスキップ
account = アカウント
needs-script = 投票数をリアルタイムで表示するには JavaScript が必要です。有効にして、ページを再読み込みしてください。

home-title = { $service }：今夜の曲に投票しよう
home-description = 今夜のセットリストの曲に投票して、票の動きをリアルタイムで見られます。
home-heading = 今夜、聴きたい曲は？
home-lead = ライブの曲に投票して、票の動きをリアルタイムで楽しめます。
search-label = ライブを検索
search-hint = アーティスト、会場、都市
filter-label = 状態
filter-all = すべて
filter-live = 開催中
filter-upcoming = 開催予定
filter-finished = 終了
show-all-shows = すべてのライブを表示
no-match = 条件に合うライブがありません。
no-shows = まだライブがありません。
load-more = もっと見る
loading = 読み込み中
shows-listed =
    { $count ->
       *[other] { $count }件のライブを表示しています
    }
voting-opens = 投票開始：{ $in }
trending = いま人気のライブ

not-found-title = ページが見つかりません
not-found-heading = このアドレスに{"\u200B"}ページは{"\u200B"}ありません
not-found-lead = リンクが古いか、文字が抜けているようです。すべてのライブは一覧にあります。
page-failed-title = ページを表示できません
page-failed-heading = ただいま{"\u200B"}このページを{"\u200B"}表示できません
page-failed-lead = サーバーに問題が発生しています。送信済みの投票は保存されています。しばらくしてからもう一度お試しください。
