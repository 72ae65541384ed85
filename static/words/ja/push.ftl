# ブラウザの通知：選ぶところと、その内容。

push-heading = この端末への通知
push-lead = 参加するライブ、投票したライブ、フォロー中のアーティストについてお知らせします。1つのライブにつき1回ずつ、曲は1曲につき1回です。
push-voting-closes = 投票締切の30分前
push-show-begins = ライブの開始
push-song-on = 投票した曲の演奏
push-quiet = 通知を止める時間帯
push-quiet-from = 開始
push-quiet-to = 終了
push-quiet-incomplete = 開始と終了には違う時刻を入れてください。使わない場合は両方を空欄にしてください。
push-unsupported = このブラウザは通知に対応していません。
push-install = iPhone や iPad では、ホーム画面から開いたときだけ通知が届きます。「共有」から「ホーム画面に追加」を選び、そこから MySetlist を開いてください。
push-old-ios = 通知には iOS 16.4 以降が必要です。端末を更新してから、MySetlist をホーム画面に追加してください。
push-blocked = このサイトの通知はブロックされています。ブラウザの設定で許可してから、ページを再読み込みしてください。
push-not-allowed = ブラウザで通知が許可されなかったため、何も変更していません。
push-not-subscribed = ブラウザの通知サービスに接続できませんでした。あとでもう一度お試しください。
push-off = この端末に通知は届きません。
push-on = 選んだ通知がこの端末に届きます。
push-offer = 投票締切の30分前にこの端末へお知らせしましょうか？
push-offer-yes = 投票の締切前に知らせる
push-offer-later = あとで
push-offer-done = 設定しました。投票締切の30分前にこの端末へお知らせします。
push-offer-more = ほかの通知と、止める時間帯

# 通知のタイトルと本文

notice-voting-closes-title = { $artist }：まもなく投票締切
notice-voting-closes = { $artist }、{ $venue }。{ $time }まで投票できます。
notice-show-begins-title = { $artist }：ライブが始まります
notice-show-begins = { $artist }、{ $venue }。曲をリアルタイムで追いかけましょう。
notice-song-on-title = あなたが投票した曲：{ $song }
notice-song-on = { $artist }、{ $venue }。いま演奏されています。
