# 自分の投票とアーティスト、ほかの端末での利用、自分のデータ。

me-ballots = あなたの投票
me-follows = フォロー中のアーティスト
me-no-ballots = まだ投票していません。ライブを選んで、曲の横の矢印をタップしてください。
me-no-follows = まだ誰もフォローしていません。アーティストのページにボタンがあります。
me-accuracy-none = ライブが終わると、あなたの選んだ曲がいくつ演奏されたかここに表示されます。
me-accuracy =
    { $count ->
       *[other] ライブ{ $count }件：プラス投票した曲の{ $precision }が演奏されました。演奏された曲の{ $recall }を予想できました。
    }
me-accuracy-recall =
    { $count ->
       *[other] ライブ{ $count }件：演奏された曲の{ $recall }を予想できました。
    }
me-ballot-score =
    { $predicted ->
       *[other] { $predicted }曲中{ $hits }曲が演奏されました
    }

# ── ほかの端末用のコード

device-heading = ほかの端末でアカウントを使う
device-lead = 投票、アーティスト、予想はこのブラウザのものです。コードを使うと、ほかのスマホやパソコンでも使えます。
device-show = コードを表示
device-how = ほかの端末でこのアドレスを開き、コードを入力してください：
device-expires = 1回だけ、あと{ $time }使えます。コードを知っている人はあなたとしてログインできます。誰にも教えないでください。
device-over = コードの有効期限が切れました。必要なときに新しいコードを表示してください。
device-used = ほかの端末でログインしました。
device-enter = ほかの端末のコードをお持ちですか？
device-wrong = コードが違うか、使用済みか、期限切れです。ほかの端末で新しいコードを表示してください。
device-malformed = コードは8文字の英数字です。0、1、I、L、O、U は使われません。入力を確認してください。
device-replace = ここではアカウント{ $account }でログインしています。コードやログインリンクがないと二度と開けません。票はそのまま残ります。
device-replace-yes = 入れ替えてログイン
device-replace-no = このアカウントのままにする

# ── 自分のデータ

data-heading = あなたのデータ
data-lead = あなたについてデータベースにあるすべての情報を、ファイルで受け取れます。1日に1回作られます。
data-export = データをダウンロード
data-queued = ファイルを作っています。まもなく自動的に届きます。
data-ready = ファイルをダウンロードしています。
data-erase = アカウントを削除
data-question = このアカウントを完全に削除しますか？
data-what-deleted = メールアドレス、名前、アーティスト、口コミ、グループはすぐに削除されます。
data-what-votes = 票と予想は名前なしで残ります。あなたのものだったことは誰にもわからなくなります。
data-what-devices = すべての端末からログアウトします。アカウントは元に戻せません。
data-understood = 元に戻せないことを理解しました。
data-yes = 完全に削除する
data-no = アカウントを残す
data-erased = アカウントを削除しました。票は名前なしで残ります。

me-picks = あなたの予想
me-no-picks = まだ予想していません。ライブのページで、開始まで予想できます。
me-pick-songs =
    { $count ->
       *[other] { $count }曲
    }
me-pick-score =
    { $points ->
       *[other] { $points }ポイント、{ $rank }位
    }

# ── カレンダー

calendar-heading = あなたのカレンダー
calendar-lead = 参加するライブと、フォロー中のアーティストのライブ（仮の予定）が、スマートフォンやパソコンのカレンダーに表示されます。
calendar-make = カレンダーを作る
calendar-made = カレンダーを作りました。
calendar-address = カレンダーの秘密のアドレス
calendar-secret = このアドレスを知っている人には、あなたが参加するライブがわかります。カレンダーアプリ以外には教えないでください。
calendar-open = カレンダーに追加
calendar-copy = アドレスをコピー
calendar-copied = アドレスをコピーしました。カレンダーアプリに照会カレンダーとして貼り付けてください。
calendar-copy-selected = 選択されたアドレスをコピーしてください。
calendar-renew = 新しいアドレスにする
calendar-renew-question = カレンダーのアドレスを新しくしますか？前のアドレスを使うアプリには何も届かなくなります。
calendar-renew-yes = アドレスを新しくする
calendar-renewed = カレンダーのアドレスが新しくなりました。前のアドレスは使えません。
calendar-delete = 削除
calendar-delete-question = カレンダーを削除しますか？そのアドレスを使うアプリには何も届かなくなります。
calendar-delete-yes = カレンダーを削除する
calendar-deleted = カレンダーを削除しました。そのアドレスは使えません。
calendar-keep = 残す
