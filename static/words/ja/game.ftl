# ゲーム：ライブの予想、ランキング、グループ。

pick-yours = あなたの予想
pick-make = 予想する
pick-locked = 予想は締め切られました
pick-all-locked = 予想の受付は終了しました
pick-points =
    { $count ->
       *[other] あなたの予想：{ $count }ポイント
    }
pick-songs =
    { $count ->
       *[other] あなたの予想：{ $count }曲
    }
pick-lead = 演奏されそうな曲を10曲まで選べます。演奏されるとポイントになります。みんなが選んだ曲は少なめ、珍しい曲なら最高100ポイントです。予想は誰にも見えません。
pick-opener = 1曲目
pick-closer = 最後の曲
pick-encore = アンコール
pick-opener-hint = 1曲目なら50ポイント追加
pick-closer-hint = 最後の曲なら50ポイント追加
pick-encore-hint = アンコールなら30ポイント追加
pick-none = このライブの予想はしていません。
pick-locks = 予想はライブの開始時に締め切られます：{ $when }（{ $in }）
pick-chosen = { $max }曲中{ $count }曲を選択
pick-full = { $max }曲を選んでいます。先にどれかを外してください。
pick-saved = 予想を保存しました。
pick-accepted = 予想を受け付けました。保存しています。
pick-withdrawn = 予想を取り消しました。
points =
    { $count ->
       *[other] { $count }ポイント
    }
pick-score =
    { $points ->
       *[other] { $points }ポイント、{ $count }人中{ $rank }位
    }
pick-played = 演奏済み
pick-played-worth =
    { $count ->
       *[other] 演奏済み、{ $count }ポイント
    }
pick-worth =
    { $count ->
       *[other] 演奏されると{ $count }ポイント
    }
pick-failed-locked = ライブが始まったため、予想は締め切られました。最後に保存した予想が有効です。
pick-failed-forbidden = このアカウントは予想できません。
pick-failed-not-found = 選んだ曲のどれかがライブから外されました。ページを再読み込みしてください。
pick-failed-overloaded = 予想が混み合っています。少し待ってからお試しください。
pick-failed = 予想を保存できませんでした。通信状況を確認して、もう一度お試しください。

board-open = 予想を受け付けています。1曲目からポイントが入ります。
board-live = 開催中：1曲ごとにポイントが入ります。
board-final = 最終ポイント
board-no-name = ファン
board-you = あなた
board-season = { $name }シーズン
board-empty = まだ誰もポイントを獲得していません。
board-fans =
    { $count ->
       *[other] { $count }人
    }
board-own =
    { $points ->
       *[other] あなたは{ $count }人中{ $rank }位、{ $points }ポイントです。
    }
board-not-on = まだランキングに載っていません。ライブの開始前に予想してください。

crew-invitation =
    { $count ->
       *[other] グループ「{ $name }」（{ $count }人）に招待されています。
    }
crew-failed-not-found = このアドレスにグループがないか、あなたはメンバーではありません。もう一度リンクを受け取ってください。
crew-failed-conflict = グループが満員か、参加できるグループ数の上限に達しています。
crew-failed-bad-request = この名前は使えません。別の名前にしてください。
crew-failed-forbidden = このアカウントはグループに参加できません。

# ── フォームの文言

pick-songs-label = 予想する曲
pick-nothing = なし
pick-save = 予想を保存
pick-withdraw = 取り消す
board = ランキング
boards = ランキング
board-title = { $name }・ランキング・{ $service }
board-description = 演奏される曲をいちばん知っているファンたち：ライブ、アーティスト、シーズン、グループ別。
board-back = ライブに戻る
board-caption = 順位（上位から）
board-place = 順位
board-fan = ファン
board-points = ポイント
board-more = もっと見る
board-missing = このアドレスにランキングはありません。
board-shows =
    { $count ->
       *[other] ライブ{ $count }件
    }
crew-join = 参加する
crew-copy = コピー
crew-copied = リンクをコピーしました。
crew-copy-selected = 選択されたリンクをコピーしてください。
crew-leave = このグループを抜ける
crew-link = このリンクを知っている人は参加できます：
crew-name = 新しいグループの名前
crew-make = 作成
crews = あなたのグループ
crews-lead = グループは、あなたと友だちだけが見られるランキングです。
