# 会場のスクリーン、配信、ほかのサイトの枠。遠くから読むので短く。

wall-description = ライブの曲とリアルタイムの票数。
wall-needs-script = 票数をリアルタイムで表示するには JavaScript が必要です。
wall-qr = ファンが投票するページの QR コード
wall-vote-at = 投票はこちら
wall-vote = 曲に投票する

wall-cancelled = このライブは中止になりました
wall-final = 最終結果
wall-paused = 投票一時停止中
wall-opens-in = 投票開始まで
wall-closed = 投票終了
wall-ends-in = 投票締切まで
wall-closing = まもなく締切
wall-days-left =
    { $count ->
       *[other] { $count }日
    }
wall-votes =
    { $count ->
       *[other] { $count }票
    }
wall-votes-watching =
    { $count ->
       *[other] { $count }票・{ $watching }人が閲覧中
    }
wall-hidden-until-vote = 投票するとスマホで票数が見られます。
wall-hidden = 票数は最後まで秘密です。
wall-playing = 演奏中
wall-playing-tag = 演奏中
wall-played-tag = 演奏済み
wall-lost = 接続がありません。復旧後に票数を更新します。
